import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import mqtt from 'mqtt';
import { ulid } from 'ulid';
import { type CommandKey, CommandReply, StartResult, StopResult } from '#contracts/commands.ts';
import { fromWireError } from '#contracts/errors.ts';
import { CameraId, RigId } from '#contracts/ids.ts';
import { topics } from '#contracts/topics.ts';
import { centralClient, nodeClient } from '../../../cli/demo/client.ts';
import { notReady } from '../../../cli/demo/once.ts';
import { NotYet, waitFor } from '../../../cli/demo/wait.ts';

/**
 * Uses a rig and a central server as any other program on their network would: MQTT and HTTP. Arguments: one JSON object. Prints a line
 * of JSON for each step, and waits for a line on stdin where somebody measures.
 */
interface Wanted {
  readonly rig: string;
  readonly master: string;
  readonly seconds: number;
  readonly mqtt: string;
  readonly central: string;
  readonly nodes: readonly { readonly camera: string; readonly http: string }[];
}

const READY_MS = 600_000;
const REPLY_MS = 30_000;
const HOME_MS = 600_000;
const PANORAMA_MS = 1_200_000;

const wanted = JSON.parse(process.argv[2] ?? '') as Wanted;
const [rig, camera] = [RigId.parse(wanted.rig), CameraId.parse(wanted.master)];
const { signal } = new AbortController();
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (step: string, what: object = {}): void =>
  void process.stdout.write(`${JSON.stringify({ step, ...what })}\n`);
const central = centralClient(wanted.central);
const nodes = wanted.nodes.map(({ http }) => nodeClient(http));
const begun = performance.now();
const seconds = (): number => Math.round((performance.now() - begun) / 100) / 10;

await waitFor('ready nodes and the central server', READY_MS, signal, async () => {
  const [master, health] = await Promise.all([
    nodes[wanted.nodes.findIndex((each) => each.camera === camera)]?.rig(signal),
    central.health(signal),
  ]);
  if (master === undefined) throw new Error(`${camera} is not one of the nodes`);
  const reasons = notReady(
    master,
    wanted.nodes.map((each) => each.camera),
  );
  if (health.workers < 1) reasons.push('central has no worker');
  return reasons.length === 0 ? true : new NotYet(reasons.join('; '));
});
say('idle', { ready_sec: seconds() });
await lines.next();

const client = await mqtt.connectAsync(wanted.mqtt);
const ask = async (command: CommandKey, input: object): Promise<unknown> => {
  const id = ulid();
  const topic = topics.reply(rig, camera, id);
  const answered = Promise.withResolvers<CommandReply>();
  const timer = setTimeout(
    () => answered.reject(new Error(`${command}: no reply on ${topic} after ${REPLY_MS / 1000} s`)),
    REPLY_MS,
  );
  const listen = (on: string, payload: Buffer): void => {
    if (on === topic) answered.resolve(CommandReply.parse(JSON.parse(payload.toString())));
  };
  client.on('message', listen);
  await client.subscribeAsync(topic, { qos: 1 });
  await client.publishAsync(topics.command(rig, camera, command), JSON.stringify({ v: 1, id, ...input }), {
    qos: 1,
  });
  const reply = await answered.promise;
  clearTimeout(timer);
  client.off('message', listen);
  if (!reply.ok) throw fromWireError(reply.error);
  return reply.result;
};

const { session_uid, session_id, cameras } = StartResult.parse(await ask('rigStart', {}));
const halfMs = (wanted.seconds * 1000) / 2;
await sleep(halfMs);
say('recording', { session_id, cameras: cameras.map(({ state }) => state) });
await lines.next();
await sleep(halfMs);
StopResult.parse(await ask('rigStop', { session_uid }));
await client.endAsync();

const recordings = await waitFor('recordings to be offloaded', HOME_MS, signal, async () => {
  const lists = await Promise.all(nodes.map((node) => node.recordings(signal)));
  const found = lists.flatMap((list) =>
    list.recordings.filter(({ manifest }) => manifest.touchline?.session_uid === session_uid),
  );
  const home = found.filter(({ manifest }) => manifest.touchline?.final && manifest.touchline.offloaded);
  return home.length === nodes.length && home.length === found.length
    ? found
    : new NotYet(`${home.length} of ${found.length} are`);
});
say('offloaded', {
  recordings: recordings.map(({ manifest }) => ({
    camera: manifest.recording.camera_id,
    bytes: manifest.file.size_bytes,
    duration_sec: manifest.video.duration_sec,
    frames: manifest.touchline?.frames,
    sha256: manifest.checksum.value,
  })),
});

const panorama = await waitFor('the panorama', PANORAMA_MS, signal, async () => {
  const { jobs } = await central.session(session_uid, signal);
  const job = jobs.find((each) => each.kind === 'panorama');
  if (job === undefined) return new NotYet('there is no job for it');
  if (job.state === 'failed' || job.state === 'cancelled')
    throw new Error(`the panorama ${job.state}: ${job.error?.message ?? job.log.at(-1)}`);
  return job.state === 'done' && job.result !== null ? job.result : new NotYet(`the job is ${job.state}`);
});
say('stitched', {
  panorama: {
    width: panorama.width,
    height: panorama.height,
    duration_sec: panorama.duration_sec,
    calibrated: panorama.calibrated,
  },
});
lines.return?.();
process.stdin.destroy();
