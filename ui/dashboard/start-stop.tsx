import { useEffect, useState } from 'preact/hooks';
import type { StartResult, StopResult } from '#contracts/commands.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import { Notice, ProblemNotice } from '../components/notice.tsx';
import { type Problem, postJson, problemIn } from '../live/http.ts';
import type { RigSummary } from './rig-summary.ts';
import { savedAs, sessionName } from './session-name.ts';

/** A stop has to be meant: the second tap has this long. */
const CONFIRM_MS = 4000;

type Outcome =
  | { readonly kind: 'refused'; readonly what: string; readonly problem: Problem; readonly retry: boolean }
  | { readonly kind: 'missing'; readonly cameras: StartResult['cameras'] };

/** One thumb starts and stops the rig. */
export function StartStop({
  summary,
  disabled,
  operator,
}: {
  summary: RigSummary;
  disabled: boolean;
  operator: boolean;
}) {
  const [name, setName] = useState('');
  const [busy, setBusy] = useState(false);
  const [asked, setAsked] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>();
  const { action, phase } = summary;

  useEffect(() => {
    if (!asked) return undefined;
    const timer = setTimeout(() => setAsked(false), CONFIRM_MS);
    return () => clearTimeout(timer);
  }, [asked]);
  useEffect(() => {
    if (phase !== 'recording') setAsked(false);
    if (phase === 'recording') setOutcome((now) => (now?.kind === 'refused' ? undefined : now));
    if (phase === 'finalizing') setOutcome(undefined);
  }, [phase]);

  const run = async (what: string, work: () => Promise<Outcome | undefined>): Promise<void> => {
    setBusy(true);
    setOutcome(undefined);
    try {
      setOutcome(await work());
    } catch (error) {
      const problem = problemIn(error);
      setOutcome({ kind: 'refused', what, problem, retry: problem.code === 'no_camera_ready' });
    } finally {
      setBusy(false);
    }
  };
  const start = (override = false): Promise<void> =>
    run('The rig did not start', async () => {
      const sessionId = sessionName(name);
      const session = sessionId === undefined ? {} : { session_id: sessionId };
      const { cameras } = await postJson<StartResult>(nodeRoutes.rigStart, {
        ...session,
        ...(override ? { override } : {}),
      });
      const missing = cameras.filter(({ state }) => state !== 'ready');
      setName('');
      return missing.length > 0 ? { kind: 'missing', cameras: missing } : undefined;
    });
  const stop = (): Promise<void> =>
    run('The rig did not stop', async () => {
      await postJson<StopResult>(nodeRoutes.rigStop);
      return undefined;
    });

  return (
    <section class="start-stop" aria-label="Start and stop">
      {outcome?.kind === 'refused' ? (
        <ProblemNotice problem={outcome.problem} what={outcome.what}>
          {outcome.retry ? (
            <button type="button" class="button" onClick={() => void start(true)}>
              Start in spite of warnings
            </button>
          ) : null}
        </ProblemNotice>
      ) : null}
      {outcome?.kind === 'missing' ? (
        <div role="alert">
          <Notice tone="warning" title="Recording without some cameras">
            {outcome.cameras.map(({ camera_id, state, reason }) => (
              <p key={camera_id}>
                <strong>{camera_id}</strong>{' '}
                {reason ?? (state === 'silent' ? 'did not answer' : 'was not ready')}
              </p>
            ))}
          </Notice>
        </div>
      ) : null}
      {action === 'start' ? (
        <div class="field">
          <label for="match-name">Name of the match, if you like</label>
          <input
            id="match-name"
            aria-describedby="match-name-words"
            value={name}
            maxLength={64}
            autocomplete="off"
            enterkeyhint="done"
            placeholder="Home_vs_Rivals"
            disabled={disabled}
            onInput={(event) => setName(event.currentTarget.value)}
          />
          <p id="match-name-words" class="field-words soft small" aria-live="polite">
            {savedAs(name)}
          </p>
        </div>
      ) : null}
      <div class="thumb">
        {action === 'stop' ? (
          <button
            type="button"
            class="button big"
            data-kind="stop"
            data-asked={asked}
            data-busy={busy}
            disabled={disabled || busy}
            onClick={() => {
              if (asked) void stop();
              setAsked(!asked);
            }}
          >
            {busy ? 'Stopping …' : asked ? 'Tap again to stop' : 'Stop'}
          </button>
        ) : (
          <button
            type="button"
            class="button big"
            data-kind="start"
            data-busy={busy}
            disabled={disabled || busy || action === null}
            onClick={() => void start()}
          >
            {busy || phase === 'preparing'
              ? 'Starting …'
              : phase === 'finalizing'
                ? 'Finishing …'
                : 'Start recording'}
          </button>
        )}
        {operator ? null : <p class="soft">You may look; starting and stopping needs the operator PIN.</p>}
      </div>
    </section>
  );
}
