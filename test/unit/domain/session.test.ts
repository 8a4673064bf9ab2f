import t from 'tap';
import { SessionState } from '#contracts/session.ts';
import { nextState, type SessionEvent } from '#domain/session/machine.ts';

const EVENTS: SessionEvent[] = [
  'arm',
  'disarm',
  'prepare',
  'give-up',
  'begin',
  'stop',
  'finished',
  'fail',
  'reset',
];

/**
 * Written from the requirement: idle → (armed →) preparing → recording → finalizing → idle, with error reachable from each;
 * arming can be taken back and a preparation given up; out of an error there is a new start, or a reset.
 */
const WANTED = `
              arm    disarm  prepare    give-up  begin      stop        finished  fail   reset
  idle        armed  -       preparing  -        -          -           -         error  -
  armed       -      idle    preparing  -        -          -           -         error  -
  preparing   -      -       -          idle     recording  -           -         error  -
  recording   -      -       -          -        -          finalizing  -         error  -
  finalizing  -      -       -          -        -          -           idle      error  -
  error       -      -       preparing  -        -          -           -         -      idle
`;

t.test('every event in every state', async (t) => {
  const [head = [], ...rows] = WANTED.trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  t.same(head, EVENTS);
  t.same(
    rows.map(([state]) => state),
    SessionState.options,
    'the table has all states of the contract',
  );
  for (const [state = '', ...nexts] of rows)
    for (const [n, wanted] of nexts.entries()) {
      const event = EVENTS[n] ?? 'reset';
      t.equal(
        nextState(SessionState.parse(state), event),
        wanted === '-' ? undefined : wanted,
        `${event} while ${state}`,
      );
    }
});

t.test('no state is a trap', async (t) => {
  for (const from of SessionState.options) {
    const reached = new Set([from]);
    for (const state of reached)
      for (const event of EVENTS) {
        const next = nextState(state, event);
        if (next !== undefined) reached.add(next);
      }
    t.same([...reached].sort(), [...SessionState.options].sort(), `from ${from} every other is reached`);
  }
});
