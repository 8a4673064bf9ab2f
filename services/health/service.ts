import { TouchlineError } from '#contracts/errors.ts';
import type { HealthReading } from '#contracts/health.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { toWireTime } from '#contracts/time.ts';
import { THRESHOLDS } from '#domain/health/levels.ts';
import {
  batteryReading,
  cameraReading,
  diskConditionReading,
  diskSpaceReading,
  diskWriteReading,
  loadReading,
  memoryReading,
  type Taken,
  temperatureReading,
  throttlingReading,
} from '#domain/health/readings.ts';
import type { BatteryGauge } from '#ports/battery/battery.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { DiskCondition } from '#ports/disk-condition/disk-condition.ts';
import type { Machine } from '#ports/machine/machine.ts';
import type { Vitals } from '#ports/vitals/vitals.ts';
import type { Bus, SeenState } from '#runtime/bus/bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { type Asked, createAsked } from './asked.ts';
import { type BatteryWatch, watchBattery } from './battery-watch.ts';
import { createLevels, type Known } from './levels.ts';
import { createWriteSpeed, type WriteSpeed } from './write-speed.ts';

export interface HealthDeps {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly log: Logger;
  readonly vitals: Pick<Vitals, 'temperature'>;
  readonly machine: Machine;
  /** Undefined: the configuration says that there is none. */
  readonly gauge: BatteryGauge | undefined;
  readonly diskCondition: DiskCondition | undefined;
  /** The recording disk, for its speed; undefined when that is not measured. */
  readonly disk: Disk | undefined;
}

const PUBLISH_EVERY_MS = 1000;
const SENSE = { everyMs: 1000, limitMs: 2000 } as const;
/** Wear changes over weeks; the disk's temperature, which it calls critical itself, over minutes. */
const WEAR = { everyMs: 60_000, limitMs: 10_000 } as const;
/** A recorder that was not heard of after this is not there. */
const RECORDER_PATIENCE_US = 10_000_000;

export function createHealth(deps: HealthDeps): Unit {
  const { config, clock, bus, log, vitals, machine } = deps;
  const { sensors } = config;
  const asked = <T>(
    name: string,
    ask: (signal: AbortSignal) => Promise<T>,
    pace: typeof SENSE | typeof WEAR = SENSE,
  ) => createAsked({ clock, log, name, ask, ...pace });

  const temperature = asked('the temperature', async () => {
    const reading = await vitals.temperature();
    if (reading === null)
      throw new TouchlineError('sensor_failed', 'the kernel does not say how warm the processor is', {
        field: 'sensors.temperature',
      });
    return reading;
  });
  const throttled =
    sensors.throttling === 'none' ? undefined : asked('the firmware', () => machine.throttled());
  const load = asked('the load', () => machine.load());
  const memory = asked('the memory', () => machine.memory());
  const { diskCondition } = deps;
  const wear = diskCondition && asked('the disk’s condition', (signal) => diskCondition.read(signal), WEAR);
  const battery = deps.gauge && watchBattery({ clock, log, gauge: deps.gauge });

  let recorder: SeenState<'recorder'> | undefined;
  let startedUs = clock.monoUs();
  const idle = (): boolean => recorder?.online === true && recorder.state.state === 'idle';
  const writeSpeed = deps.disk && createWriteSpeed({ clock, log, disk: deps.disk, idle });
  const sensed = [temperature, throttled, load, memory, wear, battery, writeSpeed].filter(
    (unit) => unit !== undefined,
  );
  const units = group(...sensed);

  const levels = createLevels({
    'disk-space': {
      ...THRESHOLDS['disk-space'],
      warn: config.recording.free_warn_percent,
      critical: config.recording.free_block_percent,
    },
  });
  const ofRecorder = (read: (state: Recorder) => Taken | { unknown: string }): Known => {
    if (recorder?.online) return read(recorder.state);
    if (recorder === undefined && clock.monoUs() - startedUs < RECORDER_PATIENCE_US) return undefined;
    return { unknown: 'the recorder says nothing' };
  };
  const all = (): Record<HealthReading, Known> => ({
    temperature: knownOf(temperature, (value) =>
      value === 'not-fitted' ? value : temperatureReading(value.celsius),
    ),
    throttling: throttled ? knownOf(throttled, throttlingReading) : 'not-fitted',
    load: knownOf(load, loadReading),
    memory: knownOf(memory, memoryReading),
    camera: ofRecorder(({ camera }) => cameraReading(camera)),
    'disk-space': ofRecorder(
      (state) => diskSpaceReading(state.disk, undefined) ?? { unknown: 'the free space is unknown' },
    ),
    'disk-condition': wear ? knownOf(wear, diskConditionReading) : 'not-fitted',
    'disk-write': writeSpeed ? knownSpeed(writeSpeed) : 'not-fitted',
    battery: battery ? knownBattery(battery) : 'not-fitted',
  });

  const publish = (): void => {
    const { readings, changes } = levels.judge(all());
    const { battery: now } = battery ?? {};
    bus.setState('health', {
      readings,
      battery: now
        ? {
            percent: now.percent,
            volts: now.volts,
            charging: now.charging,
            minutes_left: now.minutesLeft,
            read_at: toWireTime(wallAt(clock, now.readMonoUs)),
          }
        : null,
      throttled: throttled?.value ?? null,
      faults: sensed.flatMap(({ failure }) => failure?.toWire() ?? []),
    });
    for (const change of changes) {
      log.info(change, `${change.reading} is ${change.to}, was ${change.from}: ${change.text}`);
      bus.emit('health/level', change);
    }
  };

  let stops: (() => void)[] = [];
  return {
    async start(signal) {
      startedUs = clock.monoUs();
      await units.start(signal);
      stops = [
        bus.watchState('recorder', (from, seen) => {
          if (from === config.camera_id) recorder = seen;
        }),
        clock.every(PUBLISH_EVERY_MS, 'health', publish),
      ];
      publish();
    },
    async stop() {
      for (const stop of stops.splice(0)) stop();
      await units.stop();
    },
  };
}

type Recorder = Extract<SeenState<'recorder'>, { online: true }>['state'];

function knownOf<T>(asked: Asked<T>, read: (value: T) => Taken | 'not-fitted'): Known {
  if (asked.value !== undefined) return read(asked.value);
  return asked.failure && { unknown: asked.failure.message };
}

function knownSpeed({ mbps, failure }: WriteSpeed): Known {
  if (mbps !== undefined) return diskWriteReading(mbps);
  return failure && { unknown: failure.message };
}

function knownBattery({ battery, failure }: BatteryWatch): Known {
  if (battery) return batteryReading(battery, battery.minutesLeft);
  return battery === null ? { unknown: failure?.message ?? 'the battery is unknown' } : undefined;
}
