import { type CommonClock, going, movedTo, timeAt } from './common-clock.ts';
import { Follower, type FollowerView } from './follower.ts';
import { stepped } from './following.ts';
import { type Clip, clipAt } from './timeline.ts';

export interface PlaybackView {
  readonly atSec: number;
  /** What was asked for; while `waitingFor` names somebody, the clock stands all the same. */
  readonly playing: boolean;
  readonly speed: number;
  readonly waitingFor: readonly string[];
  readonly videos: Readonly<Record<string, FollowerView>>;
}

/** A video may be late for so long before the clock waits for it. */
const PATIENCE_MS = 120;

/** Several videos on one clock: they follow it, and it waits for them when one has to load. */
export class Playback {
  #clock: CommonClock = { atSec: 0, sinceMs: 0, speed: 1, running: false };
  #playing = false;
  #durationSec = 0;
  #lastFrameSec = 0;
  #waitingSinceMs: number | undefined;
  #waitingFor: readonly string[] = [];
  #tick: number | undefined;
  readonly #followers = new Map<string, { follower: Follower; clips: readonly Clip[] }>();
  readonly #listeners = new Set<() => void>();

  get view(): PlaybackView {
    return {
      atSec: this.#now(performance.now()),
      playing: this.#playing,
      speed: this.#clock.speed,
      waitingFor: this.#waitingFor,
      videos: Object.fromEntries([...this.#followers].map(([name, { follower }]) => [name, follower.view])),
    };
  }

  get durationSec(): number {
    return this.#durationSec;
  }

  /** `fps`: the last frame of the session is shown until its end. */
  setDuration(durationSec: number, fps: number): void {
    this.#durationSec = durationSec;
    this.#lastFrameSec = Math.max(0, durationSec - 1 / fps);
    this.#wake();
  }

  /** Hands over a video element; the answer takes it back. */
  attach(name: string, video: HTMLVideoElement): () => void {
    const follower = new Follower(video, () => this.#wake());
    this.#followers.set(name, { follower, clips: [] });
    this.#wake();
    return () => {
      follower.release();
      this.#followers.delete(name);
      this.#wake();
    };
  }

  setClips(name: string, clips: readonly Clip[]): void {
    const entry = this.#followers.get(name);
    if (!entry || entry.clips === clips) return;
    entry.clips = clips;
    entry.follower.clips = clips;
    this.#wake();
  }

  play(): void {
    if (this.#now(performance.now()) >= this.#lastFrameSec) this.seek(0);
    this.#playing = true;
    this.#wake();
  }

  pause(): void {
    this.#playing = false;
    this.#run(performance.now(), false);
    // A standing picture is a frame, not a moment between two.
    const frame = this.#reference();
    if (frame) this.seek(stepped(frame, this.#clock.atSec, 0));
    this.#wake();
  }

  toggle(): void {
    if (this.#playing) this.pause();
    else this.play();
  }

  seek(atSec: number): void {
    this.#clock = movedTo(this.#clock, performance.now(), Math.max(0, Math.min(this.#lastFrameSec, atSec)));
    for (const { follower } of this.#followers.values()) follower.hurry();
    this.#wake();
  }

  /** By frames of the first video that has a picture now. */
  step(frames: number): void {
    if (this.#playing) this.pause();
    const frame = this.#reference();
    if (frame) this.seek(stepped(frame, this.#clock.atSec, frames));
  }

  setSpeed(speed: number): void {
    this.#clock = going(this.#clock, performance.now(), { speed });
    this.#wake();
  }

  /** Loads again what a broken connection took. */
  retry(): void {
    for (const { follower } of this.#followers.values()) follower.retry();
    this.#wake();
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stop(): void {
    this.#playing = false;
    this.#run(performance.now(), false);
    if (this.#tick !== undefined) cancelAnimationFrame(this.#tick);
    this.#tick = undefined;
  }

  #now(nowMs: number): number {
    return Math.min(this.#lastFrameSec, timeAt(this.#clock, nowMs));
  }

  #reference(): Clip | null {
    for (const { clips } of this.#followers.values()) {
      const clip = clipAt(clips, this.#clock.atSec);
      if (clip?.url) return clip;
    }
    return null;
  }

  #run(nowMs: number, running: boolean): void {
    if (this.#clock.running !== running) this.#clock = going(this.#clock, nowMs, { running });
  }

  #wake(): void {
    this.#tick ??= requestAnimationFrame((nowMs) => this.#turn(nowMs));
  }

  #turn(frameMs: number): void {
    this.#tick = undefined;
    // Commands may have come after the browser took the time of this frame.
    const nowMs = Math.max(frameMs, this.#clock.sinceMs);
    this.#wait(nowMs);
    const atSec = this.#now(nowMs);
    if (this.#playing && atSec >= this.#lastFrameSec) {
      this.#playing = false;
      this.#run(nowMs, false);
      this.#clock = movedTo(this.#clock, nowMs, this.#lastFrameSec);
    }
    const clock = { ...this.#clock, atSec: this.#now(nowMs), sinceMs: nowMs };
    for (const { follower } of this.#followers.values()) follower.update(clock, nowMs);
    for (const listener of this.#listeners) listener();
    if (this.#playing) this.#wake();
  }

  /** The clock stands while a video loads, and goes on when all are there. */
  #wait(nowMs: number): void {
    const busy = [...this.#followers].filter(([, { follower }]) => follower.busy).map(([name]) => name);
    if (busy.length === 0) {
      this.#waitingSinceMs = undefined;
      this.#waitingFor = [];
      this.#run(nowMs, this.#playing);
      return;
    }
    this.#waitingSinceMs ??= nowMs;
    const patient = this.#clock.running && nowMs - this.#waitingSinceMs < PATIENCE_MS;
    if (!patient) {
      this.#waitingFor = busy;
      this.#run(nowMs, false);
    }
  }
}
