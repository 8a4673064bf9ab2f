import type { CameraId } from '#contracts/ids.ts';
import type { RigSession, SessionState } from '#contracts/session.ts';
import { supersedes } from '#contracts/session.ts';
import type { ButtonRow } from '#domain/signals/button.ts';
import { buttonRow, isRecording } from '#domain/signals/button-row.ts';
import type { Known, Watched, Word } from '#domain/signals/trouble.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Bus } from '#runtime/bus/bus.ts';

/** What this node's services and the rig say, as it is needed to show it and to understand a press. */
export interface Listening {
  readonly known: Known;
  readonly session: RigSession | undefined;
  /** What a press means now. */
  row(): ButtonRow;
  /** What a command of ours brought about while nobody can tell us, until somebody does. */
  assume(state: Extract<SessionState, 'recording' | 'idle'>): void;
  stop(): void;
}

const WATCHED: readonly Watched[] = [
  'recorder',
  'sync-agent',
  'broker',
  'housekeeper',
  'health',
  'network-manager',
];

export function listen(deps: {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly cameraId: CameraId;
  readonly onChange: () => void;
  /** A record of the rig that is newer than the last one. */
  readonly onSession: (session: RigSession) => void;
}): Listening {
  const { bus, clock, cameraId, onChange } = deps;
  const startedUs = clock.monoUs();
  let connected = false;
  let connectionUs = startedUs;
  let session: RigSession | undefined;
  let assumed: SessionState | undefined;
  const words = Object.fromEntries(
    WATCHED.map((service) => [service, { state: undefined, heardUs: startedUs, lostUs: undefined }]),
  ) as { -readonly [service in Watched]: Known['words'][service] };

  let leftOutUs: number | undefined;
  const lookWhetherLeftOut = (): void => {
    const { state, lostUs } = words.recorder;
    const misses =
      session !== undefined &&
      isRecording(session, clock.wallUs()) &&
      // A spare camera that nobody asked misses nothing.
      session.cameras.some(({ camera_id }) => camera_id === cameraId) &&
      state !== undefined &&
      lostUs === undefined &&
      (state.state === 'idle' || state.state === 'armed' || state.state === 'error');
    leftOutUs = misses ? (leftOutUs ?? clock.monoUs()) : undefined;
  };

  const hear = (service: Watched, state: object | undefined): void => {
    const before: Word<unknown> = words[service];
    const nowUs = clock.monoUs();
    const word =
      state === undefined
        ? { ...before, lostUs: before.lostUs ?? nowUs }
        : { state, heardUs: nowUs, lostUs: undefined };
    Object.assign(words, { [service]: word });
    if (service === 'recorder' && state !== undefined) assumed = undefined;
    lookWhetherLeftOut();
    onChange();
  };

  const stops = [
    bus.onConnected((is) => {
      if (is === connected) return;
      connected = is;
      connectionUs = clock.monoUs();
      onChange();
    }),
    bus.watchSession((seen) => {
      if (!supersedes(seen, session)) return;
      session = seen;
      lookWhetherLeftOut();
      deps.onSession(seen);
    }),
    ...WATCHED.map((service) =>
      bus.watchState(service, (node, seen) => {
        if (node !== cameraId) return;
        // A broker keeps what was said before the power failed.
        if (seen.online && 'boot_id' in seen.state && seen.state.boot_id !== clock.bootId) return;
        hear(service, seen.online ? seen.state : undefined);
      }),
    ),
  ];

  return {
    get known() {
      // A session also ends by its longest duration, of which nobody tells.
      lookWhetherLeftOut();
      return { sinceUs: startedUs, broker: { connected, sinceUs: connectionUs }, leftOutUs, words };
    },
    get session() {
      return session;
    },
    row() {
      if (assumed !== undefined) return buttonRow(assumed, undefined, clock.wallUs());
      return buttonRow(words.recorder.state?.state, session, clock.wallUs());
    },
    assume(state) {
      assumed = state;
    },
    stop() {
      for (const stop of stops.splice(0)) stop();
    },
  };
}
