import dbus from 'dbus-native';
import { TouchlineError } from '#contracts/errors.ts';
import type { HostPower } from './host-power.ts';

/** org.freedesktop.login1(5) */
const LOGIND = 'org.freedesktop.login1';
const CALL_PATIENCE_MS = 5000;

/** logind of the host over the system bus. `address`: of that bus; that of DBUS_SYSTEM_BUS_ADDRESS, or the usual one, when left out. */
export function logindPower({ address }: { readonly address?: string } = {}): HostPower {
  return {
    async powerOff() {
      let lost: Error | undefined;
      const bus = address === undefined ? dbus.systemBus() : dbus.createClient({ busAddress: address });
      bus.connection.on('error', (error: Error) => {
        lost ??= error;
      });
      try {
        await bus.invoke(
          {
            destination: LOGIND,
            path: '/org/freedesktop/login1',
            interface: `${LOGIND}.Manager`,
            member: 'PowerOff',
            signature: 'b',
            // Nobody is there to be asked for a password.
            body: [false],
          },
          { timeout: CALL_PATIENCE_MS },
        );
      } catch (cause) {
        const reason = (lost ?? (cause as Error)).message;
        throw new TouchlineError('power_refused', `the machine could not be powered off: ${reason}`, {
          field: 'power.off',
          cause,
        });
      } finally {
        bus.connection.end();
      }
    },
  };
}
