import t from 'tap';
import type { RecordingList } from '#contracts/http-node.ts';
import { sessionsOf } from '../../../ui/dashboard/recorded-sessions.ts';

type Item = RecordingList['recordings'][number];

const at = (seconds: number): string => new Date(1.7e12 + seconds * 1000).toISOString();

/** From and to in seconds, gaps likewise. */
function part(
  camera_id: string,
  number: number,
  from: number,
  to: number,
  gaps: [number, number][] = [],
  offloaded = true,
): Item {
  return {
    playlist: null,
    manifest: {
      recording: { id: camera_id, session_id: 'Final', camera_id, position: 'left' },
      file: { size_bytes: 1 },
      video: { duration_sec: to - from },
      timing: { start_time: at(from), end_time: at(to) },
      touchline: {
        session_uid: 'uid',
        part: number,
        offloaded,
        gaps: gaps.map(([a, b]) => ({ from: at(a), to: at(b), frames: 1, reason: 'x' })),
      },
    },
  } as unknown as Item;
}

const lacks = (...items: Item[]) => sessionsOf(items)[0]?.lacks;

t.test('what each camera lacks', (t) => {
  t.same(lacks(part('CAM_L', 1, 0, 60), part('CAM_C', 1, 0, 60, [[10, 10.03]])), []);
  t.same(
    lacks(part('CAM_R', 1, 0, 20, [[5, 10]]), part('CAM_R', 2, 26, 60, [[20, 26]]), part('CAM_L', 1, 0, 60)),
    [{ camera: 'CAM_R', seconds: 11 }],
    'within a file and between two, the latter once',
  );
  t.same(
    lacks(part('CAM_R', 2, 26, 60), part('CAM_R', 1, 0, 20)),
    [{ camera: 'CAM_R', seconds: 6 }],
    'untold',
  );
  t.same(lacks(part('CAM_R', 1, 4, 60, [[0, 4]])), [{ camera: 'CAM_R', seconds: 4 }], 'it began late');
  t.end();
});

t.test('what is home, and whether all is', (t) => {
  const home = part('CAM_L', 1, 0, 60);
  const here = part('CAM_C', 1, 0, 60, [], false);
  t.match(sessionsOf([home, here]), [{ offloaded: false, homeBytes: 1, sizeBytes: 2 }]);
  t.match(sessionsOf([home]), [{ offloaded: true, homeBytes: 1 }]);
  t.match(sessionsOf([here]), [{ offloaded: false, homeBytes: 0 }]);
  t.end();
});
