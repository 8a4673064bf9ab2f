import { useNow } from '../live/events.ts';
import { clockTime, minutesText } from '../live/format.ts';
import type { RigProblem, RigSummary } from './rig-summary.ts';

/** The first screen: is it recording, will it last, is anything wrong? */
export function Hero({ summary, heardMs, stale }: { summary: RigSummary; heardMs: number; stale: boolean }) {
  const now = useNow(250);
  const { phase, headline, detail, session, recordedSec, lasts, problems } = summary;
  // Between two words of the rig the page counts on; not when it has lost the rig.
  const seconds =
    recordedSec === null ? null : recordedSec + (stale ? 0 : Math.min(2, (now - heardMs) / 1000));
  return (
    <section class="hero" data-tone={summary.tone} data-stale={stale} aria-label="State of the rig">
      <div class="hero-state">
        <p class="hero-word">
          <span class="lamp" aria-hidden="true" />
          <span data-testid="headline" aria-live="polite">
            {headline}
          </span>
        </p>
        {seconds === null ? null : (
          <p class="hero-time figures" role="timer" aria-label="Recorded" data-testid="recorded">
            {clockTime(seconds)}
          </p>
        )}
        <p data-testid="detail">{detail}</p>
        {session ? <p class="hero-session">{session}</p> : null}
      </div>
      <dl class="answers">
        <div>
          <dt>Will it last?</dt>
          <dd data-testid="lasts">
            {lasts ? (
              <>
                <strong class="figures">{minutesText(lasts.minutes)}</strong> on {lasts.camera},{' '}
                {lasts.ends === 'disk' ? 'the fullest disk' : 'the emptiest battery'}
              </>
            ) : phase === 'starting' ? (
              'Not known yet'
            ) : (
              'Not known: no camera tells its free space'
            )}
          </dd>
        </div>
        <div>
          <dt>Is anything wrong?</dt>
          <dd data-testid="problems">
            {problems.length === 0 ? (
              phase === 'starting' ? (
                'Not known yet'
              ) : (
                <strong>Nothing</strong>
              )
            ) : (
              // biome-ignore lint/a11y/noNoninteractiveTabindex: a long list scrolls, also for those who have keys alone
              <ul class="problems" tabIndex={0}>
                {problems.map((problem) => (
                  <Problem key={`${problem.camera} ${problem.text}`} problem={problem} />
                ))}
              </ul>
            )}
          </dd>
        </div>
      </dl>
    </section>
  );
}

function Problem({ problem: { tone, camera, text, remedy } }: { problem: RigProblem }) {
  return (
    <li data-tone={tone}>
      <span>
        <span class="visually-hidden">{tone === 'fault' ? 'Fault: ' : 'Warning: '}</span>
        {camera === null ? null : <strong>{camera}</strong>} {text}
      </span>
      {remedy === undefined ? null : <span class="remedy">{remedy}</span>}
    </li>
  );
}
