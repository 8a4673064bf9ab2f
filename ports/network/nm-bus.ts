import dbus, { type Message, type MessageBus } from 'dbus-native';
import { TouchlineError } from '#contracts/errors.ts';

/** NetworkManager's D-Bus interface, version 1.16 at least: AddAndActivateConnection2. */
export const NM = 'org.freedesktop.NetworkManager';
export const NM_PATH = '/org/freedesktop/NetworkManager';
/** What D-Bus says for "no object". */
export const NO_OBJECT = '/';
const CALL_PATIENCE_MS = 10_000;
const CONNECT_PATIENCE_MS = 5000;

export interface NmSignal {
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly body: readonly unknown[];
}

/** One connection to the system bus, as far as NetworkManager is concerned. Calls throw `network_failed`. */
export interface NmBus {
  call<T>(path: string, target: string, member: string, signature?: string, body?: unknown[]): Promise<T>;
  get<T>(path: string, target: string, property: string): Promise<T>;
  all(path: string, target: string): Promise<Readonly<Record<string, unknown>>>;
  onSignal(listener: (signal: NmSignal) => void): () => void;
  /** Resolves with the reason when the bus or NetworkManager is gone. */
  readonly gone: Promise<string>;
  close(): void;
}

const PROPERTIES = 'org.freedesktop.DBus.Properties';

/** `address`: of the bus; that of DBUS_SYSTEM_BUS_ADDRESS, or the usual one, when left out. */
export async function openNmBus(
  address: string | undefined,
  connectPatienceMs: number = CONNECT_PATIENCE_MS,
): Promise<NmBus> {
  const bus: MessageBus =
    address === undefined ? dbus.systemBus() : dbus.createClient({ busAddress: address });
  const listeners = new Set<(signal: NmSignal) => void>();
  const gone = Promise.withResolvers<string>();
  let lost: Error | undefined;
  bus.connection.on('error', (error: Error) => {
    lost ??= error;
    gone.resolve(`the system bus: ${error.message}`);
  });
  // A bus that refuses even the greeting: it would end the program.
  bus.connection.on('handlerError', (error: Error) => {
    lost ??= error;
    gone.resolve(`the system bus: ${error.message}`);
  });
  bus.connection.on('end', () => gone.resolve('the system bus has ended'));
  bus.connection.on('message', (message: Message) => {
    const { type, path, interface: from, member, body } = message;
    if (type !== dbus.messageType.signal || path === undefined || from === undefined || member === undefined)
      return;
    if (member === 'NameOwnerChanged') {
      if (body?.[0] === NM && body[2] === '') gone.resolve('NetworkManager has ended');
      return;
    }
    for (const listener of listeners) listener({ path, interface: from, member, body: body ?? [] });
  });

  const invoke = async <T>(
    message: {
      destination: string;
      path: string;
      interface: string;
      member: string;
      signature?: string;
      body?: unknown[];
    },
    timeout: number,
  ): Promise<T> => {
    try {
      return await bus.invoke<T>(message, { timeout });
    } catch (cause) {
      const { message: text, dbusName } = cause as Error & { dbusName?: string };
      throw new TouchlineError(
        'network_failed',
        `NetworkManager, ${message.member}: ${(lost ?? { message: text }).message}`,
        {
          field: 'network.manager',
          details: { dbus_name: dbusName ?? null },
          cause,
        },
      );
    }
  };
  const nmBus: NmBus = {
    call: (path, target, member, signature, body) =>
      invoke(
        {
          destination: NM,
          path,
          interface: target,
          member,
          ...(signature === undefined ? {} : { signature, body: body ?? [] }),
        },
        CALL_PATIENCE_MS,
      ),
    get: async (path, target, property) =>
      dbus.variantValue(
        await invoke(
          {
            destination: NM,
            path,
            interface: PROPERTIES,
            member: 'Get',
            signature: 'ss',
            body: [target, property],
          },
          CALL_PATIENCE_MS,
        ),
      ),
    all: async (path, target) =>
      dbus.toPlain(
        await invoke(
          {
            destination: NM,
            path,
            interface: PROPERTIES,
            member: 'GetAll',
            signature: 's',
            body: [target],
          },
          CALL_PATIENCE_MS,
        ),
      ),
    onSignal(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    gone: gone.promise,
    close: () => bus.connection.end(),
  };
  try {
    const rules = [
      `type='signal',sender='${NM}'`,
      `type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${NM}'`,
    ];
    for (const rule of rules)
      await invoke(
        {
          destination: 'org.freedesktop.DBus',
          path: '/org/freedesktop/DBus',
          interface: 'org.freedesktop.DBus',
          member: 'AddMatch',
          signature: 's',
          body: [rule],
        },
        connectPatienceMs,
      );
    await nmBus.get(NM_PATH, NM, 'Version');
  } catch (error) {
    // One that hangs never closes its side; and what still waits for its answer, the greeting above all, would throw where nobody catches.
    bus.connection.stream.destroy();
    throw error;
  }
  return nmBus;
}
