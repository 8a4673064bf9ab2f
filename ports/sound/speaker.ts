/** A loudspeaker that sounds at an instant. Times are monotonic microseconds of the clock it was made with. */
export interface Speaker {
  /**
   * Plays a sound so that its first sample leaves at `atMonoUs`, at once when that has passed, and resolves when it has ended. Rejects with
   * `speaker_missing` when there is no such device, `speaker_failed` when it did not play, `program_missing`, `conflict` while it
   * plays another sound, or the signal's reason.
   */
  play(sound: PlayedSound, atMonoUs: number, signal?: AbortSignal): Promise<Played>;
}

export interface PlayedSound {
  /** One channel, between -1 and 1. */
  readonly samples: Float32Array;
  readonly rateHz: number;
}

export interface Played {
  /** When the first sample left, as far as the driver can tell; what a converter and the air add is not in it. */
  readonly monoUs: number;
  /** How far that may be from the truth. */
  readonly uncertaintyUs: number;
}
