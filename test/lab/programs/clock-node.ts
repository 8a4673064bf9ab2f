import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { NodeConfig } from '#contracts/node-config.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { startService } from '#runtime/service-main.ts';
import { createBroker } from '#services/broker/service.ts';
import { watchRigClock } from '#services/recorder/rig-clock.ts';
import { clockParts } from '#services/sync-agent/clock-parts.ts';
import { createSyncAgent } from '#services/sync-agent/service.ts';
import type { Tick, Told } from '../clocks/said.ts';

/**
 * What keeps time on a camera node, broker and sync-agent with its chronyd, in a guest that says, at every tick from the host, what a recorder there
 * would take the rig's time to be: lines `LAB-SAY {json}`. A tick can ask it to set its wall clock.
 */

const { CONFIG = '', TICK_PORT = '0' } = process.env;
const clock = systemClock();

function say(line: Told): void {
  process.stdout.write(`LAB-SAY ${JSON.stringify(line)}\n`);
}

function timekeeper(config: NodeConfig, log: Logger): Unit {
  const agentLog = log.child({ service: 'sync-agent' });
  const bus = nodeBus('sync-agent', { config, broker: mqttBroker(config.broker), clock, log: agentLog });
  const state = localDisk(config.state_dir);
  return group(
    createBroker({ config, clock, log: log.child({ service: 'broker' }) }),
    bus,
    createSyncAgent({ config, clock, bus, log: agentLog, state, ...clockParts(config, clock) }),
  );
}

function listener(config: NodeConfig, rootLog: Logger): Unit {
  const log = rootLog.child({ service: 'lab' });
  const bus = nodeBus('updater', { config, broker: mqttBroker(config.broker), clock, log });
  let rig: ReturnType<typeof watchRigClock> | undefined;
  let steps = 0;
  let chrony = '';
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  const onTick = (bytes: Buffer): void => {
    // As close to the arrival as a program gets.
    const monoUs = clock.monoUs();
    const tick = JSON.parse(bytes.toString('utf8')) as Tick;
    const step = tick.steps?.[config.camera_id];
    if (step !== undefined)
      execFileSync('date', ['-s', `@${(clock.wallUs() / 1e6 + step).toFixed(3)}`], { stdio: 'ignore' });
    if (!rig) return;
    const { source, bound_ms, ci95_ms } = rig.reading();
    say({
      tick: tick.tick,
      rig_us: rig.masterOfMono(monoUs) ?? null,
      wall_us: clock.wallUs() - clock.monoUs() + monoUs,
      ...{ source, bound_ms, ci95_ms, steps, chrony },
    });
  };
  return group(bus, {
    async start() {
      rig = watchRigClock({ bus, clock, cameraId: config.camera_id });
      bus.watchState('sync-agent', (node, seen) => {
        if (node !== config.camera_id || !seen.online) return;
        steps = seen.state.steps.length;
        chrony = seen.state.chrony?.state ?? 'none';
      });
      socket.on('message', onTick);
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        socket.bind(Number(TICK_PORT), '0.0.0.0', resolve);
      });
    },
    async stop() {
      rig?.stop();
      await new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  });
}

await startService(
  {
    name: 'node',
    env: {},
    schema: NodeConfig,
    create: ({ config, log }) => group(timekeeper(config, log), listener(config, log)),
  },
  { config: CONFIG },
);
