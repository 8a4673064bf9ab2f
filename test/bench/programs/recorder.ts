import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { NodeConfig } from '#contracts/node-config.ts';
import { fromWireTime } from '#contracts/time.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import { fileCamera } from '#ports/camera/file.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { memoryUpdateLocks } from '#ports/update-lock/memory-lock.ts';
import { manualVitals } from '#ports/vitals/manual-vitals.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { group } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/logger.ts';
import { readManifest } from '#runtime/manifests.ts';
import { createRecorder } from '#services/recorder/service.ts';
import { createSyncAgent } from '#services/sync-agent/service.ts';
import { endedChildrenCpuSec } from '../measuring/process-tree.ts';

/**
 * The recorder of one node as a process: `recorder.ts FILM STORAGE`. Says `{ready}`; records once for each
 * `{seconds}` on stdin and answers with what it cost and what came of it; ends with stdin.
 */

/** Longest wait for the manifest after a stop. */
const MANIFEST_PATIENCE_MS = 10_000;
const KNOWN_CAMERA = 'CAM_C';

const [film = '', storage = ''] = process.argv.slice(2);
const clock = systemClock();
const log = createLogger({ name: 'bench', level: 'error' });
const disk = localDisk(storage);
const broker = memoryBroker();
const config = NodeConfig.parse({
  version: 1,
  rig: 'bench',
  camera_id: KNOWN_CAMERA,
  position: 'center',
  cameras: [KNOWN_CAMERA],
  camera: { source: 'file', path: film },
  recording: { expected_duration_min: 1, free_warn_percent: 0, free_block_percent: 0 },
});
const [bus, recorderBus, syncBus] = (['api', 'recorder', 'sync-agent'] as const).map((service) =>
  createBus({ rig: config.rig, node: KNOWN_CAMERA, service, broker, clock, log }),
) as [ReturnType<typeof createBus>, ReturnType<typeof createBus>, ReturnType<typeof createBus>];
const camera = fileCamera({ path: film, bitrateMbps: 35, clock });
const unit = group(
  bus,
  syncBus,
  createSyncAgent({ config, clock, bus: syncBus, log }),
  recorderBus,
  createRecorder({
    config,
    clock,
    disk,
    state: disk,
    camera,
    vitals: manualVitals(),
    updateLock: memoryUpdateLocks().of('recorder'),
    bus: recorderBus,
    log,
    version: '0.0.0',
  }),
);

const say = (line: Record<string, unknown>): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const nodeCpuSec = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

async function record(seconds: number): Promise<Record<string, unknown>> {
  const nodeBefore = nodeCpuSec();
  const childrenBefore = endedChildrenCpuSec();
  const finished = new Promise<{ manifest: string; wallUs: number }>((resolve) => {
    bus.watchEvents((_node, name, event) => {
      if (name === 'recording/finished' && 'manifest' in event)
        resolve({ manifest: event.manifest, wallUs: clock.wallUs() });
    });
  });
  const started = await bus.request(KNOWN_CAMERA, 'rigStart', { override: true }, { timeoutMs: 10_000 });
  await clock.sleepUntil(
    clock.monoUs() + fromWireTime(started.start_at) + seconds * 1e6 - clock.wallUs(),
    'end of the recording',
  );
  const stopped = await bus.request(KNOWN_CAMERA, 'rigStop', {}, { timeoutMs: 10_000 });
  const patience = new AbortController();
  const { manifest: path, wallUs } = await Promise.race([
    finished,
    wait(MANIFEST_PATIENCE_MS, undefined, { signal: patience.signal }).then(() => {
      throw new Error(`no manifest ${MANIFEST_PATIENCE_MS / 1000} s after the stop`);
    }),
  ]);
  patience.abort();
  await untilIdle();
  const manifest = await readManifest(disk, path);
  if (!manifest) throw new Error(`${path} was announced and is not there`);
  return {
    node_cpu_sec: nodeCpuSec() - nodeBefore,
    children_cpu_sec: endedChildrenCpuSec() - childrenBefore,
    stop_to_manifest_ms: (wallUs - fromWireTime(stopped.stop_at)) / 1000,
    dropped_frames: manifest.quality?.dropped_frames ?? null,
    gaps: manifest.touchline.gaps.length,
    part: manifest.touchline.part,
    frames: manifest.touchline.frames,
    seconds: manifest.video.duration_sec,
    size_bytes: manifest.file.size_bytes,
  };
}

/** Camera and muxer have ended: only then the kernel has counted them. */
async function untilIdle(): Promise<void> {
  await new Promise<void>((resolve) => {
    bus.watchState('recorder', (_node, seen) => {
      if (seen.online && seen.state.state === 'idle') resolve();
    });
  });
}

await unit.start(new AbortController().signal);
say({ ready: true });
for await (const line of createInterface(process.stdin))
  say({ recorded: await record((JSON.parse(line) as { seconds: number }).seconds) });
await unit.stop();
