import type { CommonClock } from './common-clock.ts';
import { correction, mediaTarget, smoothed } from './following.ts';
import { type Clip, clipAt, covers } from './timeline.ts';

/**
 * `none`: no file for this moment. `no-proxy`: one, but nothing a browser plays yet. `loading`, `ready`: as the video says.
 * `failed`: it cannot be played, or its connection broke.
 */
export type FollowerState = 'none' | 'no-proxy' | 'loading' | 'ready' | 'failed';

export interface FollowerView {
  readonly state: FollowerState;
  /** Picture minus clock; null when that is not known. */
  readonly offsetSec: number | null;
  readonly clip: Clip | null;
  readonly problem: string | null;
}

const SMOOTHING_MS = 300;
/** Time for a jump to be done before the next is tried. */
const JUMP_PAUSE_MS = 1500;
/** A standing video is brought to the middle of its frame as near as browsers count. */
const STANDING_FRAMES = 0.05;

/** One video element on the common clock. */
export class Follower {
  readonly #video: HTMLVideoElement;
  #clips: readonly Clip[] = [];
  #clip: Clip | null = null;
  /** Of the frame on the screen, in seconds of its file; null where the browser does not tell. */
  #shownSec: number | null = null;
  #offsetSec: number | null = null;
  #updatedMs = 0;
  #jumpedMs = Number.NEGATIVE_INFINITY;
  /** Where it was sent while it stood: a file that ends earlier than it says is not asked twice. */
  #sentSec: number | null = null;
  #problem: string | null = null;
  #frameRequest: number | undefined;
  readonly #onChange: () => void;

  constructor(video: HTMLVideoElement, onChange: () => void) {
    this.#video = video;
    this.#onChange = onChange;
    video.muted = true;
    video.playsInline = true;
    video.preload = 'auto';
    for (const event of EVENTS) video.addEventListener(event, this.#changed);
    video.addEventListener('error', this.#failed);
    this.#watchFrames();
  }

  release(): void {
    for (const event of EVENTS) this.#video.removeEventListener(event, this.#changed);
    this.#video.removeEventListener('error', this.#failed);
    if (this.#frameRequest !== undefined) this.#video.cancelVideoFrameCallback(this.#frameRequest);
    this.#load(null);
  }

  set clips(clips: readonly Clip[]) {
    this.#clips = clips;
  }

  /** Whether the clock has to wait for it. */
  get busy(): boolean {
    return this.view.state === 'loading';
  }

  get view(): FollowerView {
    const clip = this.#clip;
    const base = { clip, offsetSec: null, problem: null };
    if (!clip) return { ...base, state: 'none' };
    if (clip.url === null) return { ...base, state: 'no-proxy' };
    if (this.#problem !== null) return { ...base, state: 'failed', problem: this.#problem };
    const { readyState, seeking, ended } = this.#video;
    if (!ended && (seeking || readyState < HTMLMediaElement.HAVE_FUTURE_DATA))
      return { ...base, state: 'loading' };
    return { ...base, state: 'ready', offsetSec: this.#offsetSec };
  }

  /** After the connection came back. */
  retry(): void {
    if (this.#problem !== null) this.#load(this.#clip);
  }

  /** Whoever moves the clock does not wait for the end of an earlier jump. */
  hurry(): void {
    this.#jumpedMs = Number.NEGATIVE_INFINITY;
  }

  /** Brings the video to where the clock is. `clock` is that of `nowMs`. */
  update({ atSec, speed, running }: CommonClock, nowMs: number): void {
    const clip = clipAt(this.#clips, atSec);
    if (clip?.key !== this.#clip?.key || clip?.url !== this.#clip?.url) this.#load(clip);
    this.#clip = clip;
    if (!clip || clip.url === null || this.#problem !== null) return;
    const video = this.#video;
    if (video.readyState === HTMLMediaElement.HAVE_NOTHING) return;
    const target = mediaTarget(clip, atSec);
    this.#measure(clip, atSec, target, nowMs, running);
    if (!running || !covers(clip, atSec)) {
      if (!video.paused) video.pause();
      const away = Math.abs(video.currentTime - target) * clip.fps > STANDING_FRAMES;
      if (away && !video.seeking && this.#sentSec !== target) this.#jump(target, nowMs);
      return;
    }
    this.#sentSec = null;
    if (video.seeking || video.ended) return;
    if (video.paused) video.play().catch(this.#notPlayed);
    const position = video.currentTime - target;
    const next = correction(
      this.#near(position, clip) ? (this.#offsetSec ?? position) : position,
      clip.fps,
      speed,
    );
    if (next.kind === 'rate') setRate(video, next.rate);
    else if (nowMs - this.#jumpedMs > JUMP_PAUSE_MS) this.#jump(target, nowMs);
  }

  /** Whether picture and position agree: in a gap of the file the picture stands while the position goes on. */
  #near(position: number, { fps }: Clip): boolean {
    return this.#offsetSec !== null && Math.abs(this.#offsetSec - position) * fps < 2;
  }

  #measure({ startSec }: Clip, atSec: number, target: number, nowMs: number, running: boolean): void {
    const passedMs = nowMs - this.#updatedMs;
    this.#updatedMs = nowMs;
    if (this.#shownSec === null)
      this.#offsetSec = this.#video.seeking ? null : this.#video.currentTime - target;
    else {
      const sample = startSec + this.#shownSec - atSec;
      this.#offsetSec = running ? smoothed(this.#offsetSec, sample, passedMs, SMOOTHING_MS) : sample;
    }
  }

  #jump(target: number, nowMs: number): void {
    this.#jumpedMs = nowMs;
    this.#sentSec = target;
    this.#offsetSec = null;
    this.#video.currentTime = target;
  }

  #load(clip: Clip | null): void {
    this.#problem = null;
    this.#shownSec = null;
    this.#sentSec = null;
    this.#offsetSec = null;
    this.#jumpedMs = Number.NEGATIVE_INFINITY;
    if (clip?.url) this.#video.src = clip.url;
    else this.#video.removeAttribute('src');
    this.#video.load();
  }

  #watchFrames(): void {
    // Older browsers lack it: then the position stands for the picture.
    if (!('requestVideoFrameCallback' in HTMLVideoElement.prototype)) return;
    this.#frameRequest = this.#video.requestVideoFrameCallback((_now, { mediaTime }) => {
      this.#shownSec = mediaTime;
      this.#watchFrames();
      this.#onChange();
    });
  }

  readonly #changed = (): void => this.#onChange();

  readonly #failed = (): void => {
    const { error } = this.#video;
    if (!error) return;
    this.#problem =
      error.code === MediaError.MEDIA_ERR_DECODE || error.code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED
        ? 'This browser could not load or play it.'
        : 'The connection broke while it was loaded.';
    this.#onChange();
  };

  readonly #notPlayed = (error: unknown): void => {
    // A pause that came first is what it should be.
    if (error instanceof DOMException && error.name === 'AbortError') return;
    this.#problem = error instanceof Error ? error.message : String(error);
    this.#onChange();
  };
}

const EVENTS = ['loadedmetadata', 'canplay', 'seeked', 'waiting', 'playing', 'ended', 'emptied'] as const;

/** Each change costs the browser something. */
function setRate(video: HTMLVideoElement, rate: number): void {
  if (Math.abs(video.playbackRate - rate) > 0.002) video.playbackRate = rate;
}
