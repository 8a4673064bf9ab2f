import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { CameraId } from '#contracts/ids.ts';
import type { TouchlineManifest } from '#contracts/manifest.ts';
import type { NodeStatus } from '#contracts/states.ts';
import { fromWireTime } from '#contracts/time.ts';
import { runProgram } from '#ports/program/program.ts';
import { type RunningRig, runningRig } from './running-rig.ts';

const CAMERAS = ['CAM_L', 'CAM_C', 'CAM_R'] as const;

async function statusOf(
  rig: RunningRig,
  camera: CameraId,
  from: CameraId = 'CAM_C',
): Promise<NodeStatus | null> {
  const view = await rig.nodes.get(from)?.rig();
  return view?.nodes.find((node) => node.camera_id === camera)?.status ?? null;
}

/** Until every camera records this session (a status may still tell of the one before) and has this much of it. */
async function untilAllRecord(rig: RunningRig, uid: string, seconds: number): Promise<void> {
  for (const camera of CAMERAS)
    await rig.until(`${camera} has ${seconds} s`, async () => {
      const recording = (await statusOf(rig, camera))?.recorder?.recording;
      return recording?.session_uid === uid && recording.duration_sec >= seconds ? true : undefined;
    });
}

/** All manifests of a session on one node, in order of part, once the last is there. */
async function finalManifests(
  rig: RunningRig,
  camera: CameraId,
  uid: string,
  offloaded: boolean,
): Promise<TouchlineManifest[]> {
  return rig.until(`the last manifest of ${camera}${offloaded ? ', offloaded' : ''}`, async () => {
    const list = await rig.nodes.get(camera)?.recordings();
    const found = (list?.recordings ?? [])
      .map(({ manifest }) => manifest as TouchlineManifest)
      .filter(({ touchline }) => touchline.session_uid === uid)
      .sort((a, b) => a.touchline.part - b.touchline.part);
    const done =
      found.at(-1)?.touchline.final && found.every(({ touchline }) => touchline.offloaded || !offloaded);
    return done ? found : undefined;
  });
}

/** The file on the node and the copy on central are what the manifest says, and every frame decodes. */
async function verifyFiles(
  rig: RunningRig,
  manifest: TouchlineManifest,
  folder: string,
): Promise<string | undefined> {
  const { camera_id } = manifest.recording;
  const node = rig.place.nodes.find((each) => each.cameraId === camera_id);
  const part = manifest.touchline.part === 1 ? '' : `.p${manifest.touchline.part}`;
  const files = [
    join(node?.storage ?? '', 'recordings', folder, camera_id, manifest.file.name),
    join(rig.place.directory, 'central/sessions', folder, camera_id, `recording${part}.mp4`),
  ];
  for (const file of files) {
    const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
    if (sha256 !== manifest.checksum.value) return `${file} has another hash than its manifest`;
  }
  const [onNode = ''] = files;
  const frames = Number(
    await runProgram('ffprobe', [
      '-v',
      'error',
      '-count_frames',
      '-select_streams',
      'v',
      '-show_entries',
      'stream=nb_read_frames',
      '-of',
      'csv=p=0',
      onNode,
    ]),
  );
  return frames === manifest.touchline.frames
    ? undefined
    : `${onNode} has ${frames} frames, the manifest says ${manifest.touchline.frames}`;
}

// A whole rig of seventeen processes, killed five times.
t.setTimeout(600_000);

t.test('a match goes on and comes home whatever is killed', async (t) => {
  const rig = await runningRig(t, {
    node: (config) => Object.assign(config.offload ?? {}, { bandwidth_limit_mbps: 10 }),
  });

  await t.test(
    'a recorder killed in the middle: the others go on, it comes back with a further part',
    async (t) => {
      const { session_uid } = await rig.master.start({ session_id: 'Recorder' });
      await untilAllRecord(rig, session_uid, 1);
      const before = await statusOf(rig, 'CAM_R');
      rig.kill('CAM_L recorder');
      await rig.until('CAM_L has part 2', async () => {
        const recording = (await statusOf(rig, 'CAM_L'))?.recorder?.recording;
        return recording?.part === 2 && recording.duration_sec > 0.5 ? true : undefined;
      });
      const after = await statusOf(rig, 'CAM_R');
      t.ok(
        (after?.recorder?.recording?.frames ?? 0) > (before?.recorder?.recording?.frames ?? 0),
        'CAM_R went on',
      );
      t.equal(after?.recorder?.recording?.part, 1, 'in its first file');
      await rig.master.stop({});

      const parts = await finalManifests(rig, 'CAM_L', session_uid, true);
      t.same(
        parts.map(({ touchline }) => [touchline.part, touchline.recovered, touchline.final]),
        [
          [1, true, false],
          [2, false, true],
        ],
        'part 1 was recovered, part 2 is the last',
      );
      const [first, second] = parts;
      const [gap] = second?.touchline.gaps ?? [];
      t.equal(gap?.from, first?.timing.end_time, 'the gap in the manifest begins where part 1 ends');
      t.equal(gap?.to, second?.timing.start_time, 'and ends where part 2 begins');
      const manifests = [...parts];
      for (const camera of ['CAM_C', 'CAM_R'] as const) {
        const whole = await finalManifests(rig, camera, session_uid, true);
        t.same(
          whole.map(({ touchline }) => [touchline.part, touchline.final]),
          [[1, true]],
          `${camera} has one whole file`,
        );
        manifests.push(...whole);
      }
      for (const manifest of manifests)
        t.equal(await verifyFiles(rig, manifest, 'Recorder'), undefined, manifest.file.name);
    },
  );

  await t.test('a node that is gone for a while is named, and joins in again', async (t) => {
    const { session_uid } = await rig.master.start({ session_id: 'Node' });
    await untilAllRecord(rig, session_uid, 1);
    for (const service of ['broker', 'sync-agent', 'recorder', 'housekeeper', 'api'])
      rig.kill(`CAM_R ${service}`);
    await rig.until('CAM_L sees CAM_R gone', async () => {
      const view = await rig.nodes.get('CAM_L')?.rig();
      return view?.nodes.some((node) => node.camera_id === 'CAM_R' && !node.available) ? true : undefined;
    });
    await rig.until('CAM_R records part 2', async () => {
      const recording = (await statusOf(rig, 'CAM_R', 'CAM_L'))?.recorder?.recording;
      return recording?.part === 2 && recording.duration_sec > 0.5 ? true : undefined;
    });
    await rig.nodes.get('CAM_L')?.stop({});
    const parts = await finalManifests(rig, 'CAM_R', session_uid, true);
    t.same(
      parts.map(({ touchline }) => [touchline.part, touchline.recovered, touchline.final]),
      [
        [1, true, false],
        [2, false, true],
      ],
    );
    for (const manifest of parts)
      t.equal(await verifyFiles(rig, manifest, 'Node'), undefined, manifest.file.name);
  });

  await t.test(
    'a dead broker does not stop the recording, and the node speaks again afterwards',
    async (t) => {
      const { session_uid } = await rig.master.start({ session_id: 'Broker' });
      await untilAllRecord(rig, session_uid, 1);
      rig.kill('CAM_L broker');
      await rig.until('CAM_L is seen again, in its first file', async () => {
        const view = await rig.master.rig();
        const node = view.nodes.find((each) => each.camera_id === 'CAM_L');
        const recording = node?.status?.recorder?.recording;
        return node?.available && recording && recording.duration_sec > 4 ? true : undefined;
      });
      await rig.master.stop({});
      const [whole, ...more] = await finalManifests(rig, 'CAM_L', session_uid, false);
      t.equal(more.length, 0, 'one file');
      t.equal(whole?.touchline.recovered, false);
      t.ok((whole?.video.duration_sec ?? 0) > 4);
      await finalManifests(rig, 'CAM_L', session_uid, true);
    },
  );

  await t.test(
    'central killed in the middle of an upload: nothing half is kept, the upload ends after the restart',
    async (t) => {
      const { session_uid } = await rig.master.start({ session_id: 'Central' });
      await untilAllRecord(rig, session_uid, 4);
      await rig.master.stop({});
      await rig.until('an upload is half way', async () => {
        const items = (await Promise.all(CAMERAS.map((camera) => statusOf(rig, camera)))).flatMap(
          (status) => status?.offload ?? [],
        );
        return items.some(
          (item) =>
            item.session_uid === session_uid && item.state === 'uploading' && item.sent_bytes > 300_000,
        )
          ? true
          : undefined;
      });
      const central = rig.kill('central server');
      await rig.until('central runs again', async () =>
        (await rig.central.health()).status === 'healthy' && central.restarts > 0 ? true : undefined,
      );
      const manifests = (
        await Promise.all(CAMERAS.map((camera) => finalManifests(rig, camera, session_uid, true)))
      ).flat();
      t.equal(manifests.length, 3);
      for (const manifest of manifests)
        t.equal(await verifyFiles(rig, manifest, 'Central'), undefined, manifest.file.name);
      const session = await rig.until('central knows the whole session', async () => {
        const found = await rig.central.session(session_uid);
        return found.complete ? found : undefined;
      });
      t.equal(session.recordings.length, 3);
      t.same(
        session.recordings.map(({ sha256 }) => sha256).sort(),
        manifests.map(({ checksum }) => checksum.value).sort(),
        'with the hashes of the nodes',
      );
    },
  );

  await t.test('a foreign MQTT client starts and stops the rig by topic, and sees its states', async (t) => {
    const port = String(rig.place.nodes.find((node) => node.cameraId === 'CAM_L')?.brokerPort);
    const say = (topic: string, message: object): Promise<string> =>
      runProgram('mosquitto_pub', [
        '-p',
        port,
        '-q',
        '1',
        '-t',
        `touchline/demo/${topic}`,
        '-m',
        JSON.stringify(message),
      ]);
    const retained = async (topic: string): Promise<Record<string, unknown>> =>
      JSON.parse(
        await runProgram('mosquitto_sub', [
          '-p',
          port,
          '-W',
          '5',
          '-C',
          '1',
          '-t',
          `touchline/demo/${topic}`,
        ]),
      );
    await say('all/cmd/sync-agent/start', { id: 'kick-off', session_id: 'Foreign' });
    const { session_uid } = await rig.until('the rig is in the session', async () => {
      const { session } = await rig.master.rig();
      return session?.session_id === 'Foreign' ? session : undefined;
    });
    await untilAllRecord(rig, session_uid, 0.5);
    t.match(await retained('session'), { session_id: 'Foreign', state: 'recording', conductor: 'CAM_C' });
    for (const camera of CAMERAS) {
      t.match(
        await retained(`${camera}/recorder/state`),
        { state: 'recording', recording: { session_id: 'Foreign' } },
        `${camera}, seen at CAM_L`,
      );
      t.match(await retained(`${camera}/availability`), { state: 'online' });
    }
    await say('CAM_R/cmd/sync-agent/stop', { id: 'whistle' });
    for (const camera of CAMERAS)
      t.equal((await finalManifests(rig, camera, session_uid, false)).length, 1, camera);
    t.match(await retained('session'), { state: 'stopped' });
  });

  await t.test('what is asked wrongly is refused by name, and nothing is lost', async (t) => {
    const { session_uid, start_at } = await rig.master.start({ session_id: 'Wrong' });
    await untilAllRecord(rig, session_uid, 0.5);
    await t.rejects(rig.master.start({ session_id: 'Second' }), {
      code: 'already_recording',
      message: /Wrong/,
    });
    await t.rejects(async () => rig.nodes.get('CAM_L')?.start({ session_id: 'Second' }), {
      code: 'already_recording',
    });
    await t.rejects(rig.master.start({ session_id: '../../etc/passwd' }), {
      code: 'invalid_field',
      field: 'session_id',
    });
    await t.rejects(rig.master.stop({ session_uid: '01ARZ3NDEKTSV4RRFFQ69G5FAV' }), {
      code: 'not_recording',
    });
    const answer = await fetch(`${rig.place.nodes[0]?.apiUrl}/api/v1/rig/start`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"session_id": ',
    });
    t.equal(answer.status, 400);
    t.match(await answer.json(), { code: 'invalid_json' });
    await rig.master.stop({});
    for (const camera of CAMERAS) {
      const [manifest] = await finalManifests(rig, camera, session_uid, false);
      t.equal(
        manifest?.touchline.start_at,
        start_at,
        `${camera} recorded the session that was asked for first`,
      );
      t.ok(fromWireTime(manifest?.timing.end_time ?? start_at) > fromWireTime(start_at));
    }
  });
});
