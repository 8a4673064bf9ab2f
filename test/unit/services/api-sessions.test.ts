import t from 'tap';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { createSessions } from '#services/api/sessions.ts';

t.test('however many viewers come, operators stay; of each the oldest goes first', async (t) => {
  const sessions = createSessions(manualClock());
  const operator = sessions.open('operator').token;
  const first = sessions.open('viewer').token;
  const second = sessions.open('viewer').token;
  for (let n = 0; n < 199; n++) sessions.open('viewer');
  t.equal(sessions.roleOf(operator), 'operator');
  t.equal(sessions.roleOf(first), undefined);
  t.equal(sessions.roleOf(second), 'viewer');
  for (let n = 0; n < 50; n++) sessions.open('operator');
  t.equal(sessions.roleOf(operator), undefined, 'operators have a limit of their own');
  t.equal(sessions.roleOf(second), 'viewer');
});
