import { useEffect, useRef, useState } from 'preact/hooks';
import type { Job } from '#contracts/http-central.ts';
import { centralRoutes } from '#contracts/routes.ts';
import { ProblemNotice } from '../components/notice.tsx';
import { Pill } from '../components/pill.tsx';
import { ProgressBar } from '../components/progress-bar.tsx';
import { dateText } from '../live/format.ts';
import { getJson, type Problem, path, postJson, problemIn } from '../live/http.ts';
import {
  jobState,
  jobTitle,
  problemOfJob,
  remainingText,
  settingsText,
  speedText,
  tookText,
} from './job-words.ts';
import { percent } from './session-summary.ts';
import { useCentralContext } from './use-central.ts';

/** One job: how far it is, how it goes on, and what can be done about it. */
export function JobCard({
  job,
  heading: Heading,
  children,
}: {
  job: Job;
  heading: 'h2' | 'h3';
  children?: preact.ComponentChildren;
}) {
  const { tone, word } = jobState(job);
  const busy = job.state === 'running' || job.state === 'queued';
  return (
    <li class="panel job" data-state={job.state} data-testid="job">
      <div class="job-head">
        <Heading>{jobTitle(job)}</Heading>
        {children}
        <Pill tone={tone} text={job.state === 'running' ? percent(job.progress) : word} />
      </div>
      {busy ? <ProgressBar value={job.progress} label={`${jobTitle(job)}, ${word}`} /> : null}
      <p class="job-facts soft figures">
        {job.state === 'running' ? (
          <>
            <span>{remainingText(job.remaining_sec)} left</span>
            <span>{speedText(job.speed)} real time</span>
          </>
        ) : null}
        {job.attempt > 1 ? <span>attempt {job.attempt}</span> : null}
        {job.state === 'queued' ? <span>asked for {dateText(job.created_at)}</span> : null}
        {busy ? null : (
          <>
            <span>{dateText(job.finished_at)}</span>
            {job.started_at === null ? null : <span>took {tookText(job)}</span>}
          </>
        )}
        {job.kind === 'panorama' ? <span>{settingsText(job)}</span> : null}
        {job.kind === 'proxy' && job.result?.copied ? <span>copied, not encoded again</span> : null}
      </p>
      {job.error ? (
        <ProblemNotice what="It failed" problem={problemOfJob(job.error)}>
          {job.error.field === undefined ? null : <p class="soft">Field: {job.error.field}</p>}
        </ProblemNotice>
      ) : null}
      <div class="job-actions">
        <Log job={job} />
        <Command job={job} />
      </div>
    </li>
  );
}

/** How long a cancellation can be meant. */
const CONFIRM_MS = 4000;

/** Cancel what runs, repeat what ended. */
function Command({ job }: { job: Job }) {
  const { heardJob } = useCentralContext();
  const [asked, setAsked] = useState(false);
  const [sending, setSending] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const busy = job.state === 'running' || job.state === 'queued';
  useEffect(() => {
    if (!asked) return undefined;
    const timer = setTimeout(() => setAsked(false), CONFIRM_MS);
    return () => clearTimeout(timer);
  }, [asked]);
  const send = async (route: string): Promise<void> => {
    setSending(true);
    setAsked(false);
    setProblem(undefined);
    try {
      heardJob(await postJson<Job>(path(route, { job_id: job.job_id })));
    } catch (error) {
      setProblem(problemIn(error));
    } finally {
      setSending(false);
    }
  };
  // What has only begun to wait is not worth a question.
  const sure = asked || job.state === 'queued';
  return (
    <>
      {busy ? (
        <button
          type="button"
          class="button"
          data-kind={asked ? 'danger' : undefined}
          disabled={sending}
          aria-label={`${asked ? 'Really cancel' : 'Cancel'}: ${jobTitle(job)}`}
          onClick={() => (sure ? void send(centralRoutes.jobCancel) : setAsked(true))}
        >
          {sending ? 'Cancelling' : asked ? 'Really cancel' : 'Cancel'}
        </button>
      ) : (
        <button
          type="button"
          class="button"
          data-kind={job.state === 'done' ? 'quiet' : undefined}
          disabled={sending}
          aria-label={`${job.state === 'done' ? 'Do again' : 'Try again'}: ${jobTitle(job)}`}
          onClick={() => void send(centralRoutes.jobRepeat)}
        >
          {job.state === 'done' ? 'Do again' : 'Try again'}
        </button>
      )}
      {problem ? <ProblemNotice what="It was not accepted" problem={problem} /> : null}
    </>
  );
}

const LOG_PAUSE_MS = 1000;

/** The last lines; all that is kept of them when opened. */
function Log({ job }: { job: Job }) {
  const [open, setOpen] = useState(false);
  const [lines, setLines] = useState<readonly string[]>();
  const [problem, setProblem] = useState<Problem>();
  const end = useRef<HTMLElement>(null);
  const { job_id, state } = job;
  useEffect(() => {
    if (!open) return undefined;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const load = (): void => {
      getJson<Job>(path(centralRoutes.job, { job_id }), stop.signal).then(
        (whole) => {
          if (stop.signal.aborted) return;
          setProblem(undefined);
          setLines(whole.log);
          if (state === 'running') timer = setTimeout(load, LOG_PAUSE_MS);
        },
        (error: unknown) => {
          if (!stop.signal.aborted) setProblem(problemIn(error));
        },
      );
    };
    load();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [open, job_id, state]);
  // New lines come at the end.
  useEffect(() => {
    if (end.current) end.current.scrollTop = end.current.scrollHeight;
  }, [lines]);
  // Of what went well, nobody reads the end.
  const last = job.state === 'done' ? undefined : job.log.at(-1);
  return (
    <details class="log" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span>Log</span>
        {last === undefined || open ? null : <span class="log-last soft figures">{last}</span>}
      </summary>
      {problem ? <ProblemNotice what="The log could not be loaded" problem={problem} /> : null}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys */}
      <section class="log-window" ref={end} tabIndex={0} aria-label={`Log of ${jobTitle(job)}`}>
        <pre class="figures">
          {lines === undefined ? 'Loading' : lines.length === 0 ? 'Nothing was logged' : lines.join('\n')}
        </pre>
      </section>
    </details>
  );
}
