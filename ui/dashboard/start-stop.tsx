import { useEffect, useState } from 'preact/hooks';
import type { StartResult, StopResult } from '#contracts/commands.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import { Notice } from '../components/notice.tsx';
import type { Tone } from '../components/tone.ts';
import { useNow } from '../live/events.ts';
import { postJson, problemIn } from '../live/http.ts';
import type { RigSummary } from './rig-summary.ts';
import { savedAs, sessionName } from './session-name.ts';
import { AGAIN_WITHIN_MS, couldJoin, leftOut, type StartRefusal, startRefusal } from './start-refusal.ts';

/** A stop has to be meant: the second tap has this long. */
const CONFIRM_MS = 4000;

/** What came of the last tap, unless it is what the page shows anyway. */
interface Outcome {
  readonly kind: 'refused' | 'missing';
  readonly tone: Tone;
  readonly title: string;
  readonly lines: StartRefusal['lines'];
  readonly remedy?: string;
  /** Until when the same tap again means "record anyway", milliseconds of `performance.now`. */
  readonly againUntilMs?: number;
  /** Cameras that warnings keep out can be brought in. */
  readonly couldJoin?: boolean;
}

/** One thumb starts and stops the rig. What it is told stands beside the button, which stays where it is. */
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
  const now = useNow(250);
  const { action, phase } = summary;
  const againMs = outcome?.againUntilMs === undefined ? 0 : outcome.againUntilMs - now;
  const again = againMs > 0 && action === 'start';

  useEffect(() => {
    if (!asked) return undefined;
    const timer = setTimeout(() => setAsked(false), CONFIRM_MS);
    return () => clearTimeout(timer);
  }, [asked]);
  useEffect(() => {
    if (phase !== 'recording') setAsked(false);
    if (phase === 'recording') setOutcome((last) => (last?.kind === 'refused' ? undefined : last));
    if (phase === 'finalizing') setOutcome(undefined);
  }, [phase]);

  const run = async (
    work: () => Promise<Outcome | undefined>,
    refused: (error: unknown) => Outcome,
  ): Promise<void> => {
    setBusy(true);
    setOutcome(undefined);
    try {
      setOutcome(await work());
    } catch (error) {
      setOutcome(refused(error));
    } finally {
      setBusy(false);
    }
  };
  const start = (override = false): Promise<void> =>
    run(async () => {
      const sessionId = sessionName(name);
      const { cameras } = await postJson<StartResult>(nodeRoutes.rigStart, {
        ...(sessionId === undefined ? {} : { session_id: sessionId }),
        ...(override ? { override } : {}),
      });
      const lines = leftOut(cameras);
      if (lines.length === 0) {
        setName('');
        return undefined;
      }
      const title = 'Recording without some cameras';
      return { kind: 'missing', tone: 'warning', title, lines, couldJoin: couldJoin(cameras) };
    }, refusedStart);
  const stop = (): Promise<void> =>
    run(
      async () => {
        await postJson<StopResult>(nodeRoutes.rigStop);
        return undefined;
      },
      (error) => {
        const { message, remedy } = problemIn(error);
        const title = 'The rig did not stop';
        return {
          kind: 'refused',
          tone: 'fault',
          title,
          lines: [{ camera: null, text: message }],
          ...(remedy === undefined ? {} : { remedy }),
        };
      },
    );
  const shown = outcome?.againUntilMs !== undefined && !again ? undefined : outcome;

  return (
    <section class="start-stop" aria-label="Start and stop">
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
        {shown ? (
          <Told
            outcome={shown}
            disabled={disabled || busy}
            onJoin={() => void start(true)}
            onClose={() => setOutcome(undefined)}
          />
        ) : null}
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
            data-asked={again}
            data-busy={busy}
            disabled={disabled || busy || action === null}
            onClick={() => void start()}
          >
            {busy || phase === 'preparing'
              ? 'Starting …'
              : phase === 'finalizing'
                ? 'Finishing …'
                : again
                  ? `Record anyway · ${Math.ceil(againMs / 1000)} s`
                  : 'Start recording'}
          </button>
        )}
        {operator ? null : <p class="soft">You may look; starting and stopping needs the operator PIN.</p>}
      </div>
    </section>
  );
}

function refusedStart(error: unknown): Outcome {
  const problem = problemIn(error);
  const { again, title, lines } = startRefusal(problem);
  const told = { kind: 'refused', title, lines } as const;
  if (again) return { ...told, tone: 'warning', againUntilMs: performance.now() + AGAIN_WITHIN_MS };
  return { ...told, tone: 'fault', ...(problem.remedy === undefined ? {} : { remedy: problem.remedy }) };
}

/** What the rig answered, above the button on a phone and below it on a desk. */
function Told({
  outcome: { tone, title, lines, remedy, againUntilMs, couldJoin },
  disabled,
  onJoin,
  onClose,
}: {
  outcome: Outcome;
  disabled: boolean;
  onJoin: () => void;
  onClose: () => void;
}) {
  return (
    <div class="told" role="alert" data-testid="told">
      <Notice tone={tone} title={title}>
        {lines.map(({ camera, text }) => (
          <p key={`${camera} ${text}`}>
            {camera === null ? null : <strong>{camera}</strong>} {text}
          </p>
        ))}
        {remedy === undefined ? null : <p class="soft">{remedy}</p>}
        {againUntilMs === undefined ? (
          <div class="told-answers">
            {couldJoin ? (
              <button type="button" class="button" disabled={disabled} onClick={onJoin}>
                Record with them anyway
              </button>
            ) : null}
            <button type="button" class="button" onClick={onClose}>
              Close
            </button>
          </div>
        ) : null}
      </Notice>
    </div>
  );
}
