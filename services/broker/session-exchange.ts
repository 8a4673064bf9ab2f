import { RigSession, supersedes } from '#contracts/session.ts';
import type { BrokerConnection, BrokerMessage } from '#ports/broker/broker.ts';
import type { Logger } from '#runtime/logger.ts';

/**
 * Brings the rig's session record to another broker. Several nodes write it, so it is published there only when it
 * supersedes what that broker has; what that broker has is read from it. Each step makes the record there newer,
 * so the exchange ends. What arrives between a publish and its echo was there before it and says nothing about now:
 * answering it would multiply the messages.
 */
export function createSessionExchange(parts: {
  readonly topic: string;
  readonly remote: BrokerConnection;
  readonly log: Logger;
}) {
  const { topic, remote, log } = parts;
  let here: RigSession | undefined;
  let there: RigSession | undefined;
  let awaitedEcho: string | undefined;
  let open = false;

  const read = ({ payload }: BrokerMessage): RigSession | undefined => {
    if (payload === '') return undefined;
    try {
      return RigSession.parse(JSON.parse(payload));
    } catch (error) {
      log.warn({ err: error, topic }, 'a session record that does not follow the contract is dropped');
      return undefined;
    }
  };

  const settle = (): void => {
    if (!open || here === undefined || !supersedes(here, there)) return;
    there = here;
    awaitedEcho = JSON.stringify(here);
    remote.publish(topic, awaitedEcho, { retain: true }).catch((error: unknown) => {
      // The link is down then; when it is up again, it begins with what the other broker has.
      log.debug({ err: error, topic }, 'the session record was not delivered; it is when the link is back');
    });
  };

  return {
    receiveHere(message: BrokerMessage): void {
      here = read(message);
      settle();
    },
    receiveThere(message: BrokerMessage): void {
      if (awaitedEcho !== undefined && message.payload !== awaitedEcho) return;
      awaitedEcho = undefined;
      there = read(message);
      settle();
    },
    /** The link is up, and what the other broker had retained has been received. */
    resume(): void {
      open = true;
      settle();
    },
    /** The link is down: what the other broker has is not known any more. */
    pause(): void {
      open = false;
      there = undefined;
      awaitedEcho = undefined;
    },
  };
}
