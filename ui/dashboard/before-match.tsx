import type { ComponentChildren } from 'preact';
import type { RigView } from '#contracts/http-node.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import { useNow } from '../live/events.ts';
import { type Asking, type Refused, useAsking } from './ask-cameras.ts';
import {
  arming,
  askable,
  leftText,
  lockViews,
  occupied,
  previews,
  selfTests,
  sound,
  soundIsFixed,
  testingText,
} from './preparation.ts';

const CLIP_SEC = 10;
/** The clip is read back and decoded, on a machine that may be slow. */
const SELF_TEST_TIMEOUT_MS = 180_000;
const LOCK_VIEW_TIMEOUT_MS = 25_000;

/** What is done with all cameras before a match. Folded while they record: then it is over. */
export function BeforeMatch({
  nodes,
  heardMs,
  operator,
  stale,
}: {
  nodes: RigView['nodes'];
  /** When the rig said so, milliseconds of `performance.now`. */
  heardMs: number;
  operator: boolean;
  stale: boolean;
}) {
  const now = useNow(500);
  const arm = useAsking();
  const lock = useAsking(LOCK_VIEW_TIMEOUT_MS);
  const test = useAsking(SELF_TEST_TIMEOUT_MS);
  const audio = useAsking();
  const pictures = useAsking();

  const cameras = askable(nodes);
  const busy = occupied(nodes);
  const armed = arming(nodes);
  const tests = selfTests(nodes);
  const heard = sound(nodes);
  const seen = previews(nodes);
  const fixed = soundIsFixed(busy);
  const left = leftText(armed, (now - heardMs) / 1000);
  const testing = test.sinceMs === undefined ? undefined : (now - test.sinceMs) / 1000;
  const dead = stale || cameras.length === 0;
  const common = { operator, dead };
  return (
    <details class="before" open={busy === null} data-testid="before-match">
      <summary>
        <h2>Before the match</h2>
      </summary>
      <ul class="panel preparations">
        <Preparation
          {...common}
          name="Arm"
          text={armed.text}
          asking={arm}
          button={armed.on ? 'Disarm' : 'Arm'}
          disabled={busy !== null || testing !== undefined}
          onTap={() => arm.ask(cameras, armed.on ? nodeRoutes.cameraDisarm : nodeRoutes.cameraArm)}
        >
          {left === null ? null : (
            <p class="figures" role="timer" data-testid="armed-left">
              {left}
            </p>
          )}
        </Preparation>
        <Preparation
          {...common}
          name="Lock View"
          text={lock.sinceMs === undefined ? lockViews(nodes) : 'Taking the pictures …'}
          asking={lock}
          button="Take"
          disabled={testing !== undefined}
          onTap={() => lock.ask(cameras, nodeRoutes.cameraLockView)}
        />
        <Preparation
          {...common}
          name="Self-test"
          text={testing === undefined ? tests.text : testingText(testing, CLIP_SEC)}
          asking={test}
          button="Test"
          disabled={busy !== null || armed.on}
          onTap={() => test.ask(cameras, nodeRoutes.cameraSelfTest, { seconds: CLIP_SEC })}
        >
          {testing === undefined
            ? tests.failed.map(({ camera, text }) => (
                <p key={camera} class="preparation-note">
                  <strong>{camera}</strong> {text}
                </p>
              ))
            : null}
          {armed.on && busy === null ? <p>Disarm first: the camera is in use.</p> : null}
        </Preparation>
        <Preparation
          {...common}
          name="Sound"
          text={heard.text}
          asking={audio}
          button="On"
          pressed={heard.on}
          disabled={fixed !== null}
          onTap={() => audio.ask(cameras, nodeRoutes.cameraAudio, { enabled: !heard.on })}
        >
          {fixed === null ? null : <p>{fixed}</p>}
        </Preparation>
        <Preparation
          {...common}
          name="Previews"
          text={seen.text}
          asking={pictures}
          button="On"
          pressed={seen.on}
          onTap={() => pictures.ask(cameras, nodeRoutes.cameraPreviews, { enabled: !seen.on })}
        >
          {seen.yielding.map(({ camera, text }) => (
            <p key={camera}>
              <strong>{camera}</strong> {text}
            </p>
          ))}
        </Preparation>
      </ul>
      {operator ? null : <p class="soft small">Changing any of this needs the operator PIN.</p>}
    </details>
  );
}

function Preparation({
  name,
  text,
  asking,
  button,
  pressed,
  operator,
  dead,
  disabled = false,
  onTap,
  children,
}: {
  name: string;
  text: string;
  asking: Asking;
  button: string;
  pressed?: boolean;
  operator: boolean;
  dead: boolean;
  disabled?: boolean;
  onTap: () => void;
  children?: ComponentChildren;
}) {
  const busy = asking.sinceMs !== undefined;
  return (
    <li data-testid={`prepare-${name.toLowerCase().replace(' ', '-')}`}>
      <div class="preparation-words">
        <h3>{name}</h3>
        <p aria-live="polite">{text}</p>
        {children}
      </div>
      {operator ? (
        <button
          type="button"
          class={pressed === undefined ? 'button' : 'button switch'}
          aria-pressed={pressed}
          data-busy={busy}
          disabled={dead || disabled || busy}
          onClick={onTap}
        >
          {button === name ? null : <span class="visually-hidden">{name}: </span>}
          {button}
        </button>
      ) : null}
      <Refusals refused={asking.refused} />
    </li>
  );
}

function Refusals({ refused }: { refused: readonly Refused[] }) {
  if (refused.length === 0) return null;
  return (
    <div class="preparation-refused" role="alert">
      {refused.map(({ cameras, text }) => (
        <p key={text}>
          <strong>{cameras.join(', ')}</strong> {text}
        </p>
      ))}
    </div>
  );
}
