import t from 'tap';
import { decideRetention, type RecordingOnDisk } from '#domain/retention/retention.ts';

interface Named extends RecordingOnDisk {
  readonly name: string;
}

/** `uid.part`, offloaded, whole, 10 bytes; recorded in the order of the uids unless told otherwise. */
function recording(name: string, change: Partial<RecordingOnDisk> = {}): Named {
  const [sessionUid = '', part] = name.split('.');
  return {
    name,
    sessionUid,
    cameraId: 'CAM_C',
    part: Number(part ?? 1),
    final: true,
    offloaded: true,
    underWay: false,
    recordedAtUs: sessionUid.charCodeAt(0) * 1e9 + Number(part ?? 1),
    statedBytes: 10,
    presentBytes: 10,
    ...change,
  };
}

const decide = (
  recordings: readonly Named[],
  { freeBytes = 0, warnPercent = 15, everything = false } = {},
) => {
  const { remove, kept } = decideRetention(
    recordings,
    { freeBytes, totalBytes: 100 },
    { warnPercent, everything },
  );
  return {
    remove: remove.map(({ name }) => name),
    kept: kept.map(({ recording: { name }, because }) => `${name} ${because}`),
  };
};

t.test('the oldest go first, and no more than are needed', (t) => {
  const all = [recording('C'), recording('A'), recording('B'), recording('D')];
  t.same(decide(all, { freeBytes: 15 }).remove, [], 'at the level nothing goes');
  t.same(decide(all, { freeBytes: 14 }).remove, ['A']);
  t.same(decide(all, { freeBytes: 5 }).remove, ['A'], 'one is enough to reach it');
  t.same(decide(all, { freeBytes: 4 }).remove, ['A', 'B']);
  t.same(decide(all, { freeBytes: 0, warnPercent: 90 }).remove, ['A', 'B', 'C', 'D']);
  t.same(decide(all, { freeBytes: 50, everything: true }).remove, ['A', 'B', 'C', 'D']);
  t.same(
    decide([recording('A', { recordedAtUs: 9 }), recording('B', { recordedAtUs: 3 })], { everything: true })
      .remove,
    ['B', 'A'],
    'by when they were recorded, not by their ids',
  );
  const twins = [recording('B', { recordedAtUs: 3 }), recording('A', { recordedAtUs: 3 })];
  t.same(decide(twins, { everything: true }).remove, ['A', 'B'], 'always in the same order');
  t.end();
});

t.test('what is not offloaded stays, however full the disk is', (t) => {
  const all = [recording('A', { offloaded: false }), recording('B', { offloaded: false }), recording('C')];
  t.same(decide(all, { freeBytes: 0, warnPercent: 100 }), { remove: ['C'], kept: [] });
  t.same(decide(all, { everything: true }), { remove: ['C'], kept: [] });
  const gone = [recording('A', { offloaded: false, presentBytes: undefined })];
  t.same(decide(gone, { everything: true }).remove, [], 'its manifest too, when its file is gone');
  t.end();
});

t.test('parts go in order, so that the last one never goes before another', (t) => {
  const parts = [recording('A.3'), recording('A.1', { final: false }), recording('A.2', { final: false })];
  t.same(decide(parts, { everything: true }).remove, ['A.1', 'A.2', 'A.3']);
  t.same(decide(parts, { freeBytes: 4 }).remove, ['A.1', 'A.2']);
  const stepped = parts.map((part) => ({ ...part, recordedAtUs: -part.recordedAtUs }));
  t.same(decide(stepped, { everything: true }).remove, ['A.1', 'A.2', 'A.3'], 'also when the clock was set');
  const missing = parts.map((part) => (part.part === 2 ? { ...part, offloaded: false } : part));
  t.same(decide(missing, { everything: true }), {
    remove: ['A.1'],
    kept: ['A.3 earlier_part_kept'],
  });
  const cameras = [
    recording('A.1', { final: false, offloaded: false }),
    recording('A.2'),
    recording('A.1', { name: 'left', cameraId: 'CAM_L' } as Partial<Named>),
  ];
  t.same(decide(cameras, { everything: true }), { remove: ['left'], kept: ['A.2 earlier_part_kept'] });
  t.end();
});

t.test('a session is left alone until all of it is there and at rest', (t) => {
  const sent = [recording('A.1', { final: false }), recording('A.2', { underWay: true }), recording('B')];
  t.same(decide(sent, { everything: true }), {
    remove: ['B'],
    kept: ['A.1 session_under_way', 'A.2 session_under_way'],
  });
  const open = [recording('A.1', { final: false }), recording('A.2', { final: false }), recording('B')];
  t.same(decide(open, { everything: true }).remove, ['B'], 'a further part may come');
  const own = [recording('A', { offloaded: false, underWay: true }), recording('B')];
  t.same(decide(own, { everything: true }), { remove: ['B'], kept: [] });
  t.end();
});

t.test('a file that is not the one of its manifest is left alone and told', (t) => {
  const all = [
    recording('A', { presentBytes: 9 }),
    recording('B.1', { presentBytes: 11, final: false }),
    recording('B.2'),
    recording('C'),
  ];
  t.same(decide(all, { freeBytes: 0, warnPercent: 10 }), {
    remove: ['C'],
    kept: ['A size_differs', 'B.1 size_differs', 'B.2 earlier_part_kept'],
  });
  t.end();
});

t.test('what an interrupted deletion left goes without need', (t) => {
  const left = [recording('A', { presentBytes: undefined }), recording('B'), recording('C')];
  t.same(decide(left, { freeBytes: 90 }).remove, ['A']);
  t.same(decide(left, { freeBytes: 5 }).remove, ['A', 'B'], 'and frees nothing');
  const later = [recording('A.1', { final: false }), recording('A.2', { presentBytes: undefined })];
  t.same(decide(later, { freeBytes: 90 }).remove, [], 'in order nevertheless');
  t.end();
});
