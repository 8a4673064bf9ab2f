import t from 'tap';
import { SessionId } from '#contracts/ids.ts';
import { lightWords } from '../../../ui/dashboard/light-words.ts';
import { savedAs, sessionName } from '../../../ui/dashboard/session-name.ts';
import { troubleOf } from '../../../ui/dashboard/trouble-words.ts';
import {
  bytesText,
  clockTime,
  count,
  durationText,
  figure,
  lengthText,
  minutesText,
  profileText,
  signed,
  UNKNOWN,
} from '../../../ui/live/format.ts';
import { path } from '../../../ui/live/http.ts';

t.test('numbers and times as people read them', (t) => {
  t.same([0, 7.9, 61, 3671].map(clockTime), ['0:00', '0:07', '1:01', '1:01:11']);
  t.same([0.42, 1, 61].map(durationText), ['0.4 s', '0:01', '1:01']);
  t.same([0.033, 0.09999, 0.4, 6, 9.96, 50.4, 185].map(lengthText), [
    '33 ms',
    '0.1 s',
    '0.4 s',
    '6.0 s',
    '10 s',
    '50 s',
    '3 min 5 s',
  ]);
  t.same([5.9, 95, 2879, 5000].map(minutesText), ['5 min', '1 h 35 min', '47 h 59 min', '3 days']);
  t.same([0, 999, 1500, 12_345_678, 812e9].map(bytesText), ['0 B', '999 B', '1.5 kB', '12.3 MB', '812 GB']);
  t.same([figure(29.97, 1), figure(3, 0, 'px')], ['30.0', '3 px']);
  t.same(
    [-37.214, -0.0004, 0, 1.5].map((value) => signed(value, 2, 'ms')),
    ['−37.21 ms', '+0.00 ms', '+0.00 ms', '+1.50 ms'],
  );
  t.same(
    [count(1, 'camera'), count(0, 'camera'), count(2, 'match', 'matches')],
    ['1 camera', '0 cameras', '2 matches'],
  );
  for (const unknown of [null, undefined, Number.NaN])
    t.same(
      [clockTime, durationText, minutesText, figure, signed].map((words) => words(unknown)),
      Array(5).fill(UNKNOWN),
    );
  t.equal(bytesText(null), UNKNOWN);
  t.same(['h265 3840x2160@30', 'mjpeg 1280x720@29.97', 'auto'].map(profileText), [
    'H.265 3840×2160, 30 fps',
    'MJPEG 1280×720, 29.97 fps',
    'auto',
  ]);
  t.end();
});

t.test('what people call a match becomes a session name that the rig takes', (t) => {
  t.equal(sessionName('  Grün-Weiß : Füchse '), 'Grun-Weiss_Fuchse');
  t.equal(sessionName('../../etc/passwd'), 'etc_passwd');
  for (const text of ['', '   ', '!!!', '___', '試合'])
    t.equal(sessionName(text), undefined, JSON.stringify(text));
  for (const text of ['a'.repeat(200), '-x-', '7 – 1', 'U17 Mädchen'])
    t.ok(SessionId.safeParse(sessionName(text)).success, `${text} → ${sessionName(text)}`);
  t.end();
});

t.test('what a name becomes is said when it differs', (t) => {
  t.equal(savedAs('Süd/Nord'), 'Saved as Sud_Nord');
  t.match(savedAs('試合'), /named by the time/);
  for (const text of ['', '  ', 'Home_vs_Rivals', ' U17 '.trim()]) t.equal(savedAs(text), '', text);
  t.end();
});

t.test('troubles come without addresses', (t) => {
  const refused = 'connect ECONNREFUSED 10.0.0.3:8080';
  t.equal(troubleOf({ code: 'peer_silent', message: `CAM_L does not answer: ${refused}` }), 'Not reachable');
  t.equal(
    troubleOf({ code: 'preview_unavailable', message: `the recorder does not answer: ${refused}` }),
    'Its recorder does not answer',
  );
  const busy = 'the processors are busy (93 %): the recording comes first';
  t.equal(troubleOf({ code: 'preview_unavailable', message: busy }), 'Too busy for pictures');
  t.equal(troubleOf({ code: 'preview_unavailable', message: 'no picture yet' }), 'no picture yet');
  t.end();
});

t.test('the traffic light never hides whether the rig records', (t) => {
  t.equal(lightWords({ light: 'recording', recording: true }), 'Recording');
  t.equal(lightWords({ light: 'ok', recording: false }), 'Ready');
  for (const light of ['warning', 'fault'] as const) {
    t.match(lightWords({ light, recording: true }), /^Recording, /);
    t.match(lightWords({ light, recording: false }), /^Not recording, /);
  }
  t.end();
});

t.test('parameters of a path are escaped', (t) => {
  t.equal(path('/a/:session_uid/b/:part', { session_uid: '../x y', part: 2 }), '/a/..%2Fx%20y/b/2');
  t.end();
});
