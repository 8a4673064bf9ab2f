import { useEffect } from 'preact/hooks';
import { Icon } from './icon.tsx';
import { SPEEDS } from './playback/common-clock.ts';
import type { Playback } from './playback/playback.ts';
import { usePlaying } from './playback/use-playback.ts';
import { momentText } from './playback/words.ts';

/** Seconds of the larger jump. */
const JUMP_SEC = 5;

/** Play, step, speed, and what time it is. */
export function Transport({
  playback,
  startUs,
  playable,
}: {
  playback: Playback;
  startUs: number;
  /** False while there is nothing that a browser plays. */
  playable: boolean;
}) {
  const playing = usePlaying(playback, (view) => view.playing);
  const waiting = usePlaying(playback, (view) => (view.playing ? view.waitingFor.join(' and ') : ''));
  const speed = usePlaying(playback, (view) => view.speed);
  useKeys(playback);
  return (
    <div class="transport">
      <div class="transport-keys">
        <IconButton
          name="back"
          label="One frame back"
          hint=","
          disabled={!playable}
          onClick={() => playback.step(-1)}
        />
        <button
          type="button"
          class="button"
          data-kind="start"
          aria-label={playing ? 'Pause' : 'Play'}
          title={`${playing ? 'Pause' : 'Play'} (space)`}
          data-testid="play"
          disabled={!playable}
          onClick={() => playback.toggle()}
        >
          <Icon name={playing ? 'pause' : 'play'} />
        </button>
        <IconButton
          name="forward"
          label="One frame on"
          hint="."
          disabled={!playable}
          onClick={() => playback.step(1)}
        />
      </div>
      <Moment playback={playback} startUs={startUs} />
      <p class="transport-wait soft">
        <span aria-live="polite">{waiting === '' ? '' : `Waiting for ${waiting}`}</span>
        {waiting === '' ? (
          <span class="transport-hint">
            <kbd>space</kbd> plays, <kbd>,</kbd> <kbd>.</kbd> one frame, <kbd>shift</kbd> <kbd>←</kbd>{' '}
            <kbd>→</kbd> {JUMP_SEC} s
          </span>
        ) : null}
      </p>
      <label class="speed">
        <span>Speed</span>
        <select
          value={String(speed)}
          onChange={(event) => playback.setSpeed(Number(event.currentTarget.value))}
        >
          {SPEEDS.map((each) => (
            <option key={each} value={String(each)}>
              {each} ×
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

function Moment({ playback, startUs }: { playback: Playback; startUs: number }) {
  const text = usePlaying(playback, (view) => momentText(view.atSec));
  const wall = usePlaying(playback, (view) => Math.floor((startUs / 1e6 + view.atSec) * 10) / 10);
  return (
    <p class="moment">
      <span class="figures" data-testid="moment">
        {text}
      </span>
      <span class="soft figures"> / {momentText(playback.durationSec)}</span>
      {startUs === 0 ? null : (
        <span class="wall soft figures" title="Time of day, by the master clock of the rig">
          {new Date(wall * 1000).toLocaleTimeString()}
        </span>
      )}
    </p>
  );
}

function IconButton(props: {
  name: 'back' | 'forward';
  label: string;
  hint: string;
  disabled: boolean;
  onClick: () => void;
}) {
  return (
    <button
      type="button"
      class="button"
      aria-label={props.label}
      title={`${props.label} (${props.hint})`}
      disabled={props.disabled}
      onClick={props.onClick}
    >
      <Icon name={props.name} />
    </button>
  );
}

/** Keys of the player, unless they belong to what has the focus. */
function useKeys(playback: Playback): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const target = event.target instanceof HTMLElement ? event.target : null;
      const slider = target instanceof HTMLInputElement && target.type === 'range';
      if (target?.closest('input, select, textarea, dialog') && !slider) return;
      const action = actionOf(event, playback);
      if (!action || (event.key === ' ' && target?.closest('button, a, summary'))) return;
      event.preventDefault();
      action();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [playback]);
}

function actionOf({ key, shiftKey }: KeyboardEvent, playback: Playback): (() => void) | undefined {
  switch (key) {
    case ' ':
      return () => playback.toggle();
    case ',':
      return () => playback.step(-1);
    case '.':
      return () => playback.step(1);
    case 'ArrowLeft':
      return () => (shiftKey ? playback.seek(playback.view.atSec - JUMP_SEC) : playback.step(-1));
    case 'ArrowRight':
      return () => (shiftKey ? playback.seek(playback.view.atSec + JUMP_SEC) : playback.step(1));
    default:
      return undefined;
  }
}
