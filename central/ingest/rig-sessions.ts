import { firstIssue } from '#contracts/errors.ts';
import { RigSession } from '#contracts/session.ts';
import { filters } from '#contracts/topics.ts';
import type { BrokerConnection, BrokerMessage, BrokerPort } from '#ports/broker/broker.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';

export interface RigSessionsParts {
  readonly broker: BrokerPort;
  readonly log: Logger;
  readonly note: (record: RigSession) => Promise<void>;
}

/** Listens for the session records that rigs publish: they tell which cameras a session has. */
export function createRigSessions({ broker, log, note }: RigSessionsParts): Unit {
  let connection: BrokerConnection | undefined;
  let noting: Promise<void> = Promise.resolve();

  const take = ({ topic, payload }: BrokerMessage): void => {
    if (payload === '') return;
    const record = parse(topic, payload);
    if (!record) return;
    noting = noting
      .then(() => note(record))
      .catch((error: unknown) => log.error({ err: error, topic }, 'a session record could not be kept'));
  };
  const parse = (topic: string, payload: string): RigSession | undefined => {
    try {
      const parsed = RigSession.safeParse(JSON.parse(payload));
      if (parsed.success) return parsed.data;
      log.warn({ topic, ...firstIssue(parsed.error) }, 'a session record does not follow the contract');
    } catch (error) {
      log.warn({ topic, reason: (error as Error).message }, 'a session record is not JSON');
    }
    return undefined;
  };

  return {
    async start() {
      connection = broker.connect({ clientId: 'central-ingest' });
      await connection.subscribe(filters.anyRigSession, take);
    },
    async stop() {
      await connection?.close();
      await noting;
    },
  };
}
