import type { SessionState } from '#contracts/session.ts';

/** What can happen to a session on a node. */
export type SessionEvent =
  | 'arm'
  | 'disarm'
  | 'prepare'
  | 'give-up'
  | 'begin'
  | 'stop'
  | 'finished'
  | 'fail'
  | 'reset';

/** The one table of transitions. What is not here is refused. */
const TRANSITIONS: Record<SessionState, Partial<Record<SessionEvent, SessionState>>> = {
  idle: { arm: 'armed', prepare: 'preparing', fail: 'error' },
  armed: { disarm: 'idle', prepare: 'preparing', fail: 'error' },
  preparing: { 'give-up': 'idle', begin: 'recording', fail: 'error' },
  recording: { stop: 'finalizing', fail: 'error' },
  finalizing: { finished: 'idle', fail: 'error' },
  error: { prepare: 'preparing', reset: 'idle' },
};

/** The state after the event, or undefined when the event does not fit the state. */
export function nextState(state: SessionState, event: SessionEvent): SessionState | undefined {
  return TRANSITIONS[state][event];
}
