import type { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import { fromWireTime } from '#contracts/time.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { Unit } from '#runtime/lifecycle.ts';

/** Whether something records, or nobody can know that it does not: this node, or the rig by its record. Then the network is not touched. */
export interface RecordingWatch extends Unit {
  readonly on: boolean;
}

const QUIET = new Set(['idle', 'error']);
/** What is retained comes at once with the broker; a recorder that starts takes longer. */
const WORD_PATIENCE_US = 30_000_000;
/** Without a broker a start by button or phone is not heard of. No session is longer, unless somebody said so. */
const LONGEST_US = 180 * 60e6;

export function createRecordingWatch(deps: {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly onChange: () => void;
}): RecordingWatch {
  const { config, clock, bus, onChange } = deps;
  let session: RigSession | undefined;
  /** Undefined until it is known. */
  let own: boolean | undefined;
  let connected = false;
  let sinceUs = clock.monoUs();
  let stops: (() => void)[] = [];

  return {
    get on() {
      if (own === true || (session !== undefined && isUnderWay(session, clock.wallUs()))) return true;
      const leftUs = clock.monoUs() - sinceUs;
      return connected ? own === undefined && leftUs < WORD_PATIENCE_US : leftUs < LONGEST_US;
    },
    async start() {
      sinceUs = clock.monoUs();
      stops = [
        bus.onConnected((is) => {
          if (is !== connected) sinceUs = clock.monoUs();
          connected = is;
          onChange();
        }),
        bus.watchSession((record) => {
          session = record;
          onChange();
        }),
        bus.watchState('recorder', (node, seen) => {
          if (node !== config.camera_id) return;
          // A recorder that is gone may be back in a second and go on.
          if (seen.online) own = !QUIET.has(seen.state.state);
          onChange();
        }),
      ];
    },
    async stop() {
      for (const stop of stops.splice(0)) stop();
    },
  };
}

/** A record that nobody closed is over with the longest duration of its session. */
function isUnderWay({ state, start_at, max_duration_sec, updated_at }: RigSession, nowUs: number): boolean {
  if (state !== 'recording' && state !== 'preparing') return false;
  return nowUs < fromWireTime(start_at ?? updated_at) + max_duration_sec * 1e6;
}
