import dbus, { type MessageBus } from 'dbus-native';
import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { HostClock } from './host-clock.ts';

/** org.freedesktop.systemd1(5) */
const SYSTEMD = 'org.freedesktop.systemd1';
const MANAGER = { destination: SYSTEMD, path: '/org/freedesktop/systemd1', interface: `${SYSTEMD}.Manager` };
const NO_SUCH_UNIT = `${SYSTEMD}.NoSuchUnit`;
const CALL_PATIENCE_MS = 5000;
/** chronyd stops within a second; systemd kills what does not. */
const JOB_PATIENCE_US = 20_000_000;
const LOOK_AGAIN_US = 50_000;

/**
 * systemd of the host over the system bus. `address`: of that bus; that of DBUS_SYSTEM_BUS_ADDRESS, or the usual one, when left out.
 */
export function systemdHostClock(options: { readonly clock: Clock; readonly address?: string }): HostClock {
  const { clock, address } = options;

  const onBus = async (
    unit: string,
    what: string,
    work: (bus: MessageBus) => Promise<void>,
  ): Promise<void> => {
    let lost: Error | undefined;
    const bus = address === undefined ? dbus.systemBus() : dbus.createClient({ busAddress: address });
    bus.connection.on('error', (error: Error) => {
      lost ??= error;
    });
    try {
      await work(bus);
    } catch (cause) {
      if (cause instanceof TouchlineError) throw cause;
      const reason = (lost ?? (cause as Error)).message;
      throw new TouchlineError('host_clock_refused', `${unit} of the host could not be ${what}: ${reason}`, {
        field: 'sync.chronyd.host_unit',
        cause,
      });
    } finally {
      bus.connection.end();
    }
  };

  const call = async <T>(bus: MessageBus, member: string, signature: string, body: unknown[]): Promise<T> =>
    bus.invoke<T>({ ...MANAGER, member, signature, body }, { timeout: CALL_PATIENCE_MS });

  /** `active`, `inactive`, `failed`, …; a unit that systemd has forgotten is not active either. */
  const stateOf = async (bus: MessageBus, unit: string): Promise<string> => {
    try {
      const path = await call<string>(bus, 'GetUnit', 's', [unit]);
      const state = await bus.invoke(
        {
          destination: SYSTEMD,
          path,
          interface: 'org.freedesktop.DBus.Properties',
          member: 'Get',
          signature: 'ss',
          body: [`${SYSTEMD}.Unit`, 'ActiveState'],
        },
        { timeout: CALL_PATIENCE_MS },
      );
      return dbus.variantValue<string>(state);
    } catch (error) {
      if ((error as { dbusName?: string }).dbusName === NO_SUCH_UNIT) return 'inactive';
      throw error;
    }
  };

  const until = async (bus: MessageBus, unit: string, wanted: readonly string[]): Promise<void> => {
    const endUs = clock.monoUs() + JOB_PATIENCE_US;
    for (;;) {
      const state = await stateOf(bus, unit);
      if (wanted.includes(state)) return;
      if (clock.monoUs() > endUs)
        throw new Error(`it is ${state} after ${JOB_PATIENCE_US / 1e6} s, not ${wanted.join(' or ')}`);
      await clock.sleepUntil(clock.monoUs() + LOOK_AGAIN_US, `${unit} to be ${wanted[0]}`);
    }
  };

  return {
    stop: (unit) =>
      onBus(unit, 'stopped', async (bus) => {
        await call(bus, 'StopUnit', 'ss', [unit, 'replace']);
        await until(bus, unit, ['inactive', 'failed']);
      }),
    start: (unit) =>
      onBus(unit, 'started', async (bus) => {
        await call(bus, 'StartUnit', 'ss', [unit, 'replace']);
        await until(bus, unit, ['active']);
      }),
  };
}
