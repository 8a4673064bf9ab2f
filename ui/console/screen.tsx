import type { ComponentChildren } from 'preact';
import { ProblemNotice } from '../components/notice.tsx';
import { useCentralContext } from './use-central.ts';

/** A screen of the console: its heading, why it could not be loaded, and what it shows once it was. */
export function Screen({
  title,
  summary,
  loading,
  children,
}: {
  title: string;
  /** How much there is; shown when it is loaded. */
  summary: string;
  /** In place of the children until then. */
  loading: ComponentChildren;
  children: ComponentChildren;
}) {
  const { data, problem, reload } = useCentralContext();
  return (
    <>
      <div class="screen-head">
        <h1>{title}</h1>
        {data.loaded && summary !== '' ? <p class="soft">{summary}</p> : null}
      </div>
      {problem ? (
        <ProblemNotice problem={problem} what={`The ${title.toLowerCase()} could not be loaded`}>
          <button type="button" class="button" onClick={reload}>
            Try again
          </button>
        </ProblemNotice>
      ) : null}
      {data.loaded ? children : problem ? null : loading}
    </>
  );
}
