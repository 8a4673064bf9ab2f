import type { Playback } from './playback/playback.ts';
import type { Track } from './playback/timeline.ts';
import { usePlaying } from './playback/use-playback.ts';
import { momentText } from './playback/words.ts';

/** The common time: what each camera has of it, and where the clock is. */
export function SeekBar({
  playback,
  tracks,
  durationSec,
}: {
  playback: Playback;
  tracks: readonly Track[];
  durationSec: number;
}) {
  const at = (seconds: number): string =>
    `${Math.min(100, Math.max(0, (seconds / durationSec) * 100)).toFixed(3)}%`;
  return (
    <div class="seek">
      <div class="lanes" aria-hidden="true">
        {tracks.map((track) => (
          <div key={track.name} class="lane">
            <span class="lane-name">{track.name}</span>
            <div class="lane-bar">
              {track.clips.map((clip) => (
                <span
                  key={clip.key}
                  class="lane-clip"
                  data-playable={clip.url !== null}
                  style={{ left: at(clip.startSec), width: at(clip.endSec - clip.startSec) }}
                />
              ))}
              {track.holes
                .filter(({ kind }) => kind === 'gap')
                .map((hole) => (
                  <span
                    key={hole.fromSec}
                    class="lane-gap"
                    title={hole.words}
                    style={{ left: at(hole.fromSec), width: at(hole.toSec - hole.fromSec) }}
                  />
                ))}
            </div>
          </div>
        ))}
      </div>
      <Head playback={playback} durationSec={durationSec} />
    </div>
  );
}

function Head({ playback, durationSec }: { playback: Playback; durationSec: number }) {
  const atSec = usePlaying(playback, (view) => Math.round(view.atSec * 1000) / 1000);
  return (
    <div class="seek-head">
      <span class="playhead" style={{ left: `${durationSec > 0 ? (atSec / durationSec) * 100 : 0}%` }} />
      <input
        type="range"
        aria-label="Moment of the session"
        aria-valuetext={momentText(atSec)}
        min={0}
        max={durationSec}
        step="any"
        value={atSec}
        disabled={durationSec === 0}
        data-testid="seek"
        onInput={(event) => playback.seek(Number(event.currentTarget.value))}
      />
    </div>
  );
}
