import t from 'tap';
import type { z } from 'zod';
import { COMMANDS, type CommandKey } from '#contracts/commands.ts';
import {
  CameraId,
  CommandId,
  Part,
  RigId,
  recordingId,
  SERVICES,
  SessionId,
  SessionUid,
  Sha256,
} from '#contracts/ids.ts';
import { centralLayout, nodeLayout, sessionFolder, videoFileName } from '#contracts/layout.ts';
import { Manifest } from '#contracts/manifest.ts';
import { commandOfTopic, isCommandTopic, isRetainedTopic, parseTopic, topics } from '#contracts/topics.ts';

const UID = '01HS0000000000000000ABCDEF';
const START_US = Date.UTC(2024, 2, 15, 14, 0, 0) * 1000;

/** What somebody sends who wants out of a folder, into another topic, or to confuse a shell. */
const TRICKS = [
  '',
  '.',
  '..',
  '../x',
  'a/b',
  'a\\b',
  '/etc',
  'a\0b',
  'a\n',
  '\na',
  'a b',
  'a#',
  'a+',
  '+',
  '#',
  '$SYS',
  'a.b',
  'a%2fb',
  'ä',
  'a;b',
  '$(a)',
  '~',
  '-',
  'x'.repeat(200),
];

t.test('ids take what they are for', async (t) => {
  const good: [z.ZodType, string[]][] = [
    [RigId, ['a', 'field-2', '0', 'x'.repeat(32)]],
    [CameraId, ['CAM_L', 'CAM_C', 'CAM_R', 'CAM_4', `CAM_${'X'.repeat(16)}`]],
    [SessionId, ['GAME_20240315_140000', 'a', '1-b_c', 'x'.repeat(64)]],
    [SessionUid, [UID, '7ZZZZZZZZZZZZZZZZZZZZZZZZZ']],
    [CommandId, ['1', UID, 'from-a_shell', 'x'.repeat(64)]],
    [Sha256, ['0123456789abcdef'.repeat(4)]],
  ];
  for (const [schema, values] of good)
    for (const value of values) t.equal(schema.parse(value), value, `${schema.description}: ${value}`);
});

t.test('and no path, topic or shell tricks', async (t) => {
  for (const [name, schema] of Object.entries({ RigId, CameraId, SessionId, SessionUid, CommandId, Sha256 }))
    for (const trick of TRICKS) {
      // The dash is a fair rig and command id: neither begins a file name.
      const wanted = trick === '-' && (name === 'RigId' || name === 'CommandId');
      t.equal(schema.safeParse(trick).success, wanted, `${name} ${JSON.stringify(trick).slice(0, 40)}`);
    }
  for (const text of ['cam_l', 'CAM_', 'CAM_l', 'CAM_LL_', `CAM_${'X'.repeat(17)}`, 'XCAM_L', 'all'])
    t.notOk(CameraId.safeParse(text).success, `camera ${text}`);
  for (const text of ['_a', '-a', 'x'.repeat(65)])
    t.notOk(SessionId.safeParse(text).success, `session ${text}`);
  for (const text of [
    UID.toLowerCase(),
    UID.slice(1),
    `${UID}0`,
    `8${UID.slice(1)}`,
    UID.replace('A', 'I'),
    UID.replace('A', 'L'),
    UID.replace('A', 'O'),
    UID.replace('A', 'U'),
  ])
    t.notOk(SessionUid.safeParse(text).success, `uid ${text}`);
  t.notOk(Sha256.safeParse('0123456789ABCDEF'.repeat(4)).success, 'upper-case hex');
  for (const part of [0, -1, 1.5, 10_000, '1', Number.NaN])
    t.notOk(Part.safeParse(part).success, `part ${part}`);
  const fileName = Manifest.shape.file.shape.name;
  for (const trick of [
    ...TRICKS,
    ...TRICKS.map((trick) => `${trick}.mp4`),
    '.mp4',
    'a.mp4.exe',
    'a.MP4',
    '..mp4',
  ])
    t.equal(
      fileName.safeParse(trick).success,
      trick === 'a.b.mp4',
      `file name ${JSON.stringify(trick).slice(0, 40)}`,
    );
});

t.test('files lie where the layout says, on the node', async (t) => {
  t.equal(recordingId('GAME_1', 'CAM_C'), 'GAME_1_CAM_C');
  t.equal(sessionFolder('GAME_1', UID, false), 'GAME_1');
  t.equal(sessionFolder('GAME_1', UID, true), 'GAME_1~ABCDEF');
  t.notOk(SessionId.safeParse('GAME_1~ABCDEF').success, 'no session can be named like the folder of another');

  const name = videoFileName('GAME_1', 'CAM_C', START_US + 999_999);
  t.equal(name, 'GAME_1_CAM_C_20240315_140000.mp4');
  t.ok(Manifest.shape.file.shape.name.safeParse(name).success, 'our names are valid in a manifest');
  const longest = videoFileName('x'.repeat(64), `CAM_${'X'.repeat(16)}`, START_US);
  t.ok(Manifest.shape.file.shape.name.safeParse(longest).success, 'the longest too');
  t.equal(nodeLayout.video('GAME_1', 'CAM_C', name), `recordings/GAME_1/CAM_C/${name}`);
  t.equal(nodeLayout.journal('GAME_1', 'CAM_C', name), `recordings/GAME_1/CAM_C/${name}.journal.json`);
  t.equal(nodeLayout.manifest('F', 'GAME_1', 'CAM_C', 1), 'manifests/F/CAM_C/GAME_1_CAM_C.json');
  t.equal(nodeLayout.manifest('F', 'GAME_1', 'CAM_C', 2), 'manifests/F/CAM_C/GAME_1_CAM_C.p2.json');
  t.equal(nodeLayout.timelineName('GAME_1', 'CAM_C', 1), 'GAME_1_CAM_C.timeline.jsonl');
  t.equal(nodeLayout.timelineName('GAME_1', 'CAM_C', 12), 'GAME_1_CAM_C.p12.timeline.jsonl');
});

t.test('and on central', async (t) => {
  t.equal(centralLayout.video('F', 'CAM_L', 1), 'sessions/F/CAM_L/recording.mp4');
  t.equal(centralLayout.video('F', 'CAM_L', 2), 'sessions/F/CAM_L/recording.p2.mp4');
  t.equal(centralLayout.manifest('F', 'CAM_L', 1), 'sessions/F/CAM_L/manifest.json');
  t.equal(centralLayout.manifest('F', 'CAM_L', 2), 'sessions/F/CAM_L/manifest.p2.json');
  t.equal(centralLayout.panorama('F'), 'sessions/F/stitched/panorama.mp4');
});

t.test('topics are built and taken apart', async (t) => {
  for (const key of Object.keys(COMMANDS) as CommandKey[]) {
    const topic = topics.command('pitch', 'all', key);
    const parts = parseTopic(topic);
    t.equal(topic, `touchline/pitch/all/cmd/${COMMANDS[key].service}/${COMMANDS[key].name}`);
    t.equal(parts && commandOfTopic(parts), key, `${key} is found again`);
    t.ok(isCommandTopic(topic));
    t.notOk(isRetainedTopic(topic), 'a command is never retained');
  }
  const start = topics.command('pitch', 'CAM_L', 'start');
  for (const topic of [
    `${start}/more`,
    start.replace('recorder', 'api'),
    start.replace('/cmd/', '/event/'),
  ]) {
    const parts = parseTopic(topic);
    t.equal(parts && commandOfTopic(parts), undefined, topic);
  }
  t.equal(parseTopic('homeassistant/pitch/CAM_L/x'), undefined);
  t.equal(parseTopic('touchline/pitch'), undefined);

  t.ok(isRetainedTopic(topics.availability('pitch', 'CAM_L')));
  t.ok(isRetainedTopic(topics.status('pitch', 'CAM_L')));
  for (const service of ['recorder', 'sync-agent', 'housekeeper', 'broker'] as const) {
    t.ok(SERVICES.includes(service));
    t.ok(isRetainedTopic(topics.state('pitch', 'CAM_L', service)), service);
  }
  t.notOk(isRetainedTopic(topics.event('pitch', 'CAM_L', 'recording/gap')));
  t.notOk(isRetainedTopic(topics.reply('pitch', 'CAM_L', 'state')));
});
