import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { nodeLayout } from '#contracts/layout.ts';
import { Mark } from '#contracts/moments.ts';
import { fromWireTime } from '#contracts/time.ts';
import { until } from '../fixtures/bridges.ts';
import { recordingNode } from '../fixtures/recording-node.ts';

const PATIENT = { timeoutMs: 10_000 };

t.test('moments of a recording are kept beside its manifest', async (t) => {
  const node = await recordingNode(t);
  const { bus, config } = node;
  const events: string[] = [];
  bus.watchEvents((_from, name) => void events.push(name));
  await t.rejects(bus.request('CAM_C', 'moment', {}, PATIENT), { code: 'not_recording' });

  const { session_uid } = await node.start('Final');
  await node.until('a recording', ({ recording }) => (recording?.frames ?? 0) > 0);
  const marked = await Promise.all([
    bus.request('CAM_C', 'moment', { ago_ms: 0 }, PATIENT),
    bus.request('CAM_C', 'moment', { kind: 'score', label: '1:0', ago_ms: 2000 }, PATIENT),
  ]);
  const [moment, score] = marked;
  t.match(moment, {
    session_uid,
    session_id: 'Final',
    camera_id: 'CAM_C',
    part: 1,
    kind: 'moment',
    label: null,
  });
  t.match(score, { kind: 'score', label: '1:0', issued_by: 'CAM_C/api' });
  const apartMs = (fromWireTime(moment?.at ?? '') - fromWireTime(score?.at ?? '')) / 1000;
  t.ok(Math.abs(apartMs - 2000) < 1000, `master time, two seconds back: ${apartMs} ms`);

  const path = join(config.storage.path, nodeLayout.marks('Final', 'CAM_C'));
  const lines = (): string[] => readFileSync(path, 'utf8').split('\n');
  t.same(
    lines()
      .slice(0, 2)
      .map((line) => Mark.parse(JSON.parse(line))),
    marked,
    'a line each, in order',
  );
  // As a power cut leaves it.
  appendFileSync(path, '{"v":1,"kind":"mom');
  const third = await bus.request('CAM_C', 'moment', { kind: 'half-time' }, PATIENT);
  t.same(JSON.parse(lines().at(-2) ?? ''), third, 'a torn line takes no other with it');
  await until(() => events.filter((name) => name === 'recording/moment').length === 3, 'three events');
  await t.rejects(bus.request('CAM_C', 'moment', { label: ' ' }, PATIENT), { code: 'invalid_field' });

  await node.stop();
  await t.rejects(bus.request('CAM_C', 'moment', {}, PATIENT), { code: 'not_recording' });
});
