import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { z } from 'zod';
import type { CameraConfig } from '#contracts/camera-config.ts';
import {
  type Choice,
  chooseProfile,
  HOLDS_AT_SPEED,
  holds,
  type Measurement,
} from '#domain/ladder/choose.ts';
import { COPY, profileKey } from '#domain/ladder/rungs.ts';
import type { CameraOffer, Profile } from '#ports/camera/camera.ts';
import { measureEncoder } from '#ports/camera/measure-encoder.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';
import type { Logger } from '#runtime/logger.ts';

export interface LadderDeps {
  readonly camera: CameraConfig;
  readonly clock: Clock;
  /** Where what was measured is kept over restarts. */
  readonly state: Disk;
  readonly version: string;
  readonly log: Logger;
  /** Seconds for each rung. */
  readonly seconds?: number;
  /** The processor that was measured. */
  readonly machine?: string;
}

/** Which of the profiles of an offer this machine sustains. */
export interface Ladder {
  /** Reads what was measured before. A file that cannot be read is as good as none. */
  load(): Promise<void>;
  choose(offer: CameraOffer): Choice<Profile>;
  /** How many times as fast as real time a profile was measured to be; null when it was not. */
  speedOf(offer: CameraOffer, profile: Profile): number | null;
  /** Whether there is something to measure. */
  open(offer: CameraOffer): boolean;
  /**
   * Measures from the best profile down until one holds; what was measured before is not measured again. Takes minutes and the whole
   * machine: for a node that does nothing else. Rejects with the reason of `signal`, at once; what was measured until then is kept.
   */
  measure(offer: CameraOffer, signal: AbortSignal): Promise<void>;
}

const FILE = 'ladder.json';
const MEASURED_SEC = 60;
/** Cameras come and go between a few; the oldest measurements are forgotten. */
const KEPT = 8;
/** Below this no minute will help. */
const HOPELESS_SPEED = HOLDS_AT_SPEED * 0.8;

const Kept = z.object({
  v: z.literal(1),
  /** By what they hold for; newest last. */
  machines: z.array(
    z.object({
      key: z.string(),
      measurements: z.record(z.string(), z.object({ speed: z.number(), dropped: z.number() })),
    }),
  ),
});
type Kept = z.infer<typeof Kept>;

export function createLadder(deps: LadderDeps): Ladder {
  const { camera, clock, state, version, log, seconds = MEASURED_SEC, machine = machineName() } = deps;
  const named = 'encoder' in camera && camera.encoder !== 'auto';
  let kept: Kept = { v: 1, machines: [] };

  /** What a measurement holds for: another camera, wish, version or processor is measured anew. */
  const keyOf = ({ requested, profiles }: CameraOffer): string =>
    JSON.stringify([camera.source, requested, profiles.map(profileKey), version, machine]);
  const measured = (offer: CameraOffer): Readonly<Record<string, Measurement>> =>
    kept.machines.find(({ key }) => key === keyOf(offer))?.measurements ?? {};

  /** The best profile of which it is not known that it does not hold; undefined when one is known to hold. */
  const next = (offer: CameraOffer): Profile | undefined => {
    const known = measured(offer);
    for (const profile of named ? offer.profiles.slice(0, 1) : offer.profiles) {
      const result = known[profileKey(profile)];
      if (profile.rung === COPY || (result && holds(result))) return undefined;
      if (!result) return profile;
    }
    return undefined;
  };

  const keep = async (
    offer: CameraOffer,
    profile: Profile,
    { speed, dropped }: Measurement,
  ): Promise<void> => {
    const key = keyOf(offer);
    const measurements = { ...measured(offer), [profileKey(profile)]: { speed, dropped } };
    kept = {
      v: 1,
      machines: [...kept.machines.filter((one) => one.key !== key), { key, measurements }].slice(-KEPT),
    };
    await state.replace(FILE, JSON.stringify(kept));
  };

  return {
    async load() {
      const text = await readText(state, FILE);
      if (text === undefined) return;
      try {
        kept = Kept.parse(JSON.parse(text));
      } catch (error) {
        log.warn({ err: error }, `${FILE} cannot be read: the encoder is measured again`);
      }
    },
    choose: (offer) => chooseProfile({ profiles: offer.profiles, measurements: measured(offer), named }),
    speedOf: (offer, profile) => measured(offer)[profileKey(profile)]?.speed ?? null,
    open: (offer) => next(offer) !== undefined,
    async measure(offer, signal) {
      for (let profile = next(offer); profile; profile = next(offer)) {
        const result = await measureEncoder(profile, {
          clock,
          seconds,
          hopelessBelow: HOPELESS_SPEED,
          signal,
        });
        log.info({ profile: profileKey(profile), ...result }, 'the encoder was measured');
        await keep(offer, profile, result);
      }
    },
  };
}

/** `Raspberry Pi 5 Model B Rev 1.0`, or what the processor calls itself, with how many there are. */
function machineName(): string {
  const processors = cpus();
  let name = processors[0]?.model ?? 'unknown';
  try {
    name = readFileSync('/proc/device-tree/model', 'utf8').replaceAll('\0', '');
  } catch {
    // Only boards with a device tree have a model there.
  }
  return `${name} x${processors.length}`;
}
