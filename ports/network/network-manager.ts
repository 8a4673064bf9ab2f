import { TouchlineError } from '#contracts/errors.ts';
import type { JoinFailure, Link, SeenNetwork } from '#domain/network/link.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Network } from './network.ts';
import { NM, NM_PATH, type NmBus, NO_OBJECT, openNmBus } from './nm-bus.ts';
import { radioOf, readLink } from './nm-link.ts';
import { lookAround } from './nm-look.ts';
import { accessPointProfile, type Profile, stationProfile } from './nm-profiles.ts';
import { ACTIVE_STATE, CHECKPOINT_DELETE_NEW, DEVICE_STATE, failureOf, nameOfReason } from './nm-states.ts';

/** Association, key and address; a network that takes longer is none. */
const ACTIVATE_PATIENCE_US = 30_000_000;
/** A change that nobody confirmed is rolled back by NetworkManager itself, also when this program is dead. */
const CHECKPOINT_SEC = 45;
const LOOK_AGAIN_US = 200_000;

/** NetworkManager of the host over the system bus. `address`: of that bus, for tests. */
export function networkManager(options: {
  readonly clock: Clock;
  /** Name of the radio. */
  readonly interface: string;
  readonly address?: string;
}): Network {
  const { clock } = options;
  let shared: Promise<NmBus> | undefined;
  let watchers = 0;

  const open = async (): Promise<NmBus> => {
    const opened = await openNmBus(options.address);
    void opened.gone.then(() => {
      shared = undefined;
      opened.close();
    });
    try {
      await rollBackLeft(opened);
    } catch (error) {
      opened.close();
      throw error;
    }
    return opened;
  };
  /** One connection for all that is asked; a new one when that is gone. */
  const bus = async (): Promise<NmBus> => {
    shared ??= open().catch((error: unknown) => {
      shared = undefined;
      throw error;
    });
    return shared;
  };
  const device = async (nm: NmBus): Promise<string> => {
    const path = await radioOf(nm, options.interface);
    if (path === undefined)
      throw new TouchlineError('network_failed', `NetworkManager knows no radio ${options.interface}`, {
        field: 'network.interface',
      });
    return path;
  };

  /** A run of this program that died on the way left its checkpoint: the next change would be refused, and undone when that ends. */
  const rollBackLeft = async (nm: NmBus): Promise<void> => {
    const radio = await radioOf(nm, options.interface);
    for (const path of await nm.get<string[]>(NM_PATH, NM, 'Checkpoints')) {
      try {
        const { Devices: devices, RollbackTimeout: timeoutSec } = await nm.all(path, `${NM}.Checkpoint`);
        const ours = Array.isArray(devices) && devices.length === 1 && devices[0] === radio;
        if (ours && timeoutSec === CHECKPOINT_SEC)
          await nm.call(NM_PATH, NM, 'CheckpointRollback', 'o', [path]);
      } catch (error) {
        // It ended meanwhile.
        if (!isUnknown(error)) throw error;
      }
    }
  };

  /** Resolves when the device is connected by the profile; throws with why it is not. */
  const activate = async (
    nm: NmBus,
    radio: string,
    profile: Profile,
    what: string,
    signal?: AbortSignal,
  ): Promise<void> => {
    let reason: number | undefined;
    const stop = nm.onSignal(({ path, interface: from, member, body }) => {
      if (path !== radio || from !== `${NM}.Device` || member !== 'StateChanged') return;
      if (body[0] === DEVICE_STATE.failed) reason = Number(body[2]);
    });
    try {
      const [, active] = await nm.call<[string, string, unknown]>(
        NM_PATH,
        NM,
        'AddAndActivateConnection2',
        'a{sa{sv}}ooa{sv}',
        // Kept nowhere: a restart of the machine starts clean, and what is left is forgotten.
        [profile, radio, NO_OBJECT, { persist: 'volatile' }],
      );
      const endUs = clock.monoUs() + ACTIVATE_PATIENCE_US;
      for (;;) {
        if (reason !== undefined) throw refusal(what, failureOf(reason), nameOfReason(reason));
        const state = await activeState(nm, active);
        if (state === ACTIVE_STATE.activated) return;
        if (state === ACTIVE_STATE.deactivated || state === undefined) {
          // Why it failed may arrive just after.
          await clock.sleepUntil(clock.monoUs() + LOOK_AGAIN_US, `why ${what} failed`);
          throw refusal(
            what,
            failureOf(reason ?? -1),
            reason === undefined ? 'it ended' : nameOfReason(reason),
          );
        }
        if (clock.monoUs() > endUs)
          throw refusal(what, 'failed', `not done after ${ACTIVATE_PATIENCE_US / 1e6} s`);
        await clock.sleepUntil(clock.monoUs() + LOOK_AGAIN_US, what, signal);
      }
    } finally {
      stop();
    }
  };

  /** A change of the radio: what was there before comes back when it fails, by us or without us. */
  const change = async (
    what: string,
    profile: (name: string) => Profile,
    signal?: AbortSignal,
  ): Promise<void> => {
    const nm = await bus();
    const radio = await device(nm);
    signal?.throwIfAborted();
    const checkpoint = await nm.call<string>(NM_PATH, NM, 'CheckpointCreate', 'aouu', [
      [radio],
      CHECKPOINT_SEC,
      CHECKPOINT_DELETE_NEW,
    ]);
    try {
      await activate(nm, radio, profile(options.interface), what, signal);
    } catch (error) {
      await nm.call(NM_PATH, NM, 'CheckpointRollback', 'o', [checkpoint]).catch((cause: unknown) => {
        throw new AggregateError([error, cause], `${what} failed, and could not be rolled back`);
      });
      throw error;
    }
    await nm.call(NM_PATH, NM, 'CheckpointDestroy', 'o', [checkpoint]);
  };

  return {
    async watch(listener) {
      const nm = await bus();
      watchers++;
      let over = false;
      let reading = false;
      let again = false;
      const tell = async (): Promise<void> => {
        again = reading;
        if (reading) return;
        reading = true;
        try {
          do {
            again = false;
            const link = await readLink(nm, options.interface);
            if (!over) listener({ kind: 'changed', link });
          } while (again);
        } catch (error) {
          // An object that went while it was read; what became of it is told next. When the bus is gone, that is told below.
          if (!(error instanceof TouchlineError)) throw error;
        } finally {
          reading = false;
        }
      };
      const stop = nm.onSignal(({ interface: from, member, body }) => {
        const changed = member === 'StateChanged' || member === 'DeviceAdded' || member === 'DeviceRemoved';
        const addressed = member === 'PropertiesChanged' && body[0] === `${NM}.IP4Config`;
        if (changed || addressed || from === `${NM}.Connection.Active`) void tell();
      });
      const end = (): void => {
        if (over) return;
        over = true;
        watchers--;
        stop();
        if (watchers === 0) nm.close();
      };
      void nm.gone.then((why) => {
        if (over) return;
        end();
        listener({
          kind: 'gone',
          error: new TouchlineError('network_failed', why, { field: 'network.manager' }),
        });
      });
      return end;
    },
    link: async (): Promise<Link> => readLink(await bus(), options.interface),
    async look(hidden): Promise<readonly SeenNetwork[]> {
      const nm = await bus();
      return lookAround({ nm, clock, radio: await device(nm), interface: options.interface, hidden });
    },
    join: (network, signal) =>
      change(`joining ${network.ssid}`, (name) => stationProfile(name, network), signal),
    open: (accessPoint, signal) =>
      change(`opening ${accessPoint.ssid}`, (name) => accessPointProfile(name, accessPoint), signal),
    async leave() {
      const nm = await bus();
      const radio = await device(nm);
      const state = await nm.get<number>(radio, `${NM}.Device`, 'State');
      if (state <= DEVICE_STATE.disconnected) return;
      await nm.call(radio, `${NM}.Device`, 'Disconnect');
    },
  };
}

/** Undefined when it is forgotten already. */
async function activeState(nm: NmBus, active: string): Promise<number | undefined> {
  try {
    return await nm.get<number>(active, `${NM}.Connection.Active`, 'State');
  } catch (error) {
    if (isUnknown(error)) return undefined;
    throw error;
  }
}

/** Whether an object is gone. */
function isUnknown(error: unknown): boolean {
  const name = error instanceof TouchlineError ? error.details?.dbus_name : undefined;
  return typeof name === 'string' && UNKNOWN.has(name);
}

const UNKNOWN = new Set([
  'org.freedesktop.DBus.Error.UnknownMethod',
  'org.freedesktop.DBus.Error.UnknownObject',
  'org.freedesktop.DBus.Error.UnknownInterface',
  // Of checkpoints.
  'org.freedesktop.NetworkManager.InvalidArguments',
]);

function refusal(what: string, reason: JoinFailure, why: string): TouchlineError {
  const words = {
    wrong_key: 'the key is wrong',
    not_found: 'it is out of reach',
    no_address: 'it gives no address',
  };
  return new TouchlineError(
    'network_failed',
    `${what}: ${reason === 'failed' ? why : `${words[reason]} (${why})`}`,
    { details: { reason } },
  );
}
