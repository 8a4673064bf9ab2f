import type { ComponentChildren } from 'preact';
import type { Problem } from '../live/http.ts';
import type { Tone } from './tone.ts';

/** Something to know, with its weight. */
export function Notice({
  tone,
  title,
  children,
}: {
  tone: Tone;
  title?: string;
  children?: ComponentChildren;
}) {
  return (
    <div class="notice" data-tone={tone}>
      {title === undefined ? null : <strong>{title}</strong>}
      {children}
    </div>
  );
}

/** What the server refused, why, and what to do. */
export function ProblemNotice({
  problem,
  what,
  children,
}: {
  problem: Problem;
  what: string;
  children?: ComponentChildren;
}) {
  return (
    <div role="alert">
      <Notice tone="fault" title={what}>
        <p>{problem.message}</p>
        {problem.remedy === undefined ? null : <p class="soft">{problem.remedy}</p>}
        {children}
      </Notice>
    </div>
  );
}

/** Nothing is there yet, and what would change that. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <strong>{title}</strong>
      {children}
    </div>
  );
}
