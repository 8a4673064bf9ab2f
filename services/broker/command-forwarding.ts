import { COMMANDS } from '#contracts/commands.ts';
import type { CameraId, RigId } from '#contracts/ids.ts';
import { commandOfTopic, parseTopic, topics } from '#contracts/topics.ts';
import type { BrokerConnection, BrokerMessage } from '#ports/broker/broker.ts';
import type { Logger } from '#runtime/logger.ts';

export interface Forwarding {
  readonly to: BrokerConnection;
  readonly rig: RigId;
  /** The node whose command topic it is published on: commands to all are rewritten, so that none comes back. */
  readonly node: CameraId;
  /** Whether only the commands that `COMMANDS` marks as rig-wide pass. */
  readonly rigWideOnly: boolean;
  readonly log: Logger;
}

/**
 * Carries commands from one broker to another, at once or not at all: a stop from the first half must not arrive in
 * the second. `receive` never rejects; what was not delivered is logged and counted.
 */
export function forwardCommands({ to, rig, node, rigWideOnly, log }: Forwarding) {
  let dropped = 0;
  const drop = (topic: string, why: string, error?: unknown): void => {
    dropped++;
    log.warn({ topic, err: error }, `a command was not forwarded: ${why}`);
  };
  return {
    async receive({ topic, payload, retain }: BrokerMessage): Promise<void> {
      // An empty message takes a retained one back.
      if (payload === '') return;
      const parts = parseTopic(topic);
      const command = parts && commandOfTopic(parts);
      if (retain) return drop(topic, 'commands are never retained');
      if (!command) return drop(topic, 'there is no such command');
      if (rigWideOnly && !COMMANDS[command].rigWide) return drop(topic, 'it is not one of the rig commands');
      try {
        await to.publish(topics.command(rig, node, command), payload, { retain: false });
      } catch (error) {
        drop(topic, 'the other broker is not there', error);
      }
    },
    get dropped() {
      return dropped;
    },
  };
}
