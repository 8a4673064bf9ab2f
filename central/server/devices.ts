import { z } from 'zod';
import { firstIssue } from '#contracts/errors.ts';
import type { Device } from '#contracts/http-central.ts';
import { CameraId, RigId } from '#contracts/ids.ts';
import { Availability, NodeStatus } from '#contracts/states.ts';
import { fromWireTime, toWireTime } from '#contracts/time.ts';
import { filters, parseTopic } from '#contracts/topics.ts';
import type { BrokerConnection, BrokerMessage, BrokerPort } from '#ports/broker/broker.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';

export interface DevicesParts {
  readonly broker: BrokerPort;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onChange: (device: Device) => void;
}

/** The camera nodes whose rigs send their states here. */
export interface Devices extends Unit {
  /** By rig and camera. */
  list(): Device[];
}

/** Nodes speak every second; the link of a rig may be slow, and is worth a few of them. */
const SILENT_US = 10_000_000;
const LOOK_MS = 1000;
/** What a page is told when nothing but counters changed. */
const TELL_US = 2_000_000;

interface Known {
  readonly rig: string;
  readonly camera: string;
  online: boolean;
  status: NodeStatus | null;
  seenUs: number;
  toldUs: number;
  told: string;
}

const Place = z.object({ rig: RigId, node: CameraId });

export function createDevices({ broker, clock, log, onChange }: DevicesParts): Devices {
  const known = new Map<string, Known>();
  let connection: BrokerConnection | undefined;
  let stopLooking = (): void => undefined;

  const deviceOf = (one: Known): Device => ({
    rig: one.rig,
    camera_id: one.camera,
    // A rig that lost its link cannot say so: what it said last stays retained here.
    available: one.online && clock.wallUs() - one.seenUs < SILENT_US,
    seen_at: toWireTime(one.seenUs),
    status: one.status,
  });
  /** Tells at once what a person wants to know at once, the rest now and then. */
  const tell = (one: Known): void => {
    const device = deviceOf(one);
    const { status } = device;
    const important = JSON.stringify([
      device.available,
      status?.level,
      status?.warnings,
      status?.recorder?.state,
      status?.recorder?.session_uid,
      status?.offload.map(({ session_uid, part, state }) => [session_uid, part, state]),
    ]);
    if (important === one.told && clock.wallUs() - one.toldUs < TELL_US) return;
    one.told = important;
    one.toldUs = clock.wallUs();
    onChange(device);
  };

  const take =
    <T extends { at: string }>(schema: z.ZodType<T>, set: (one: Known, value: T) => void) =>
    ({ topic, payload, retain }: BrokerMessage): void => {
      const place = Place.safeParse(parseTopic(topic));
      if (!place.success || payload === '') return;
      const value = parse(schema, topic, payload);
      if (value === undefined) return;
      const { rig, node } = place.data;
      const key = `${rig}/${node}`;
      const one = known.get(key) ?? {
        rig,
        camera: node,
        online: false,
        status: null,
        seenUs: 0,
        toldUs: 0,
        told: '',
      };
      known.set(key, one);
      set(one, value);
      // What the broker kept was said when it says so itself.
      one.seenUs = Math.max(one.seenUs, retain ? fromWireTime(value.at) : clock.wallUs());
      tell(one);
    };

  const parse = <T>(schema: z.ZodType<T>, topic: string, payload: string): T | undefined => {
    try {
      const parsed = schema.safeParse(JSON.parse(payload));
      if (parsed.success) return parsed.data;
      log.warn({ topic, ...firstIssue(parsed.error) }, 'a state does not follow the contract');
    } catch (error) {
      log.warn({ topic, reason: (error as Error).message }, 'a state is not JSON');
    }
    return undefined;
  };

  return {
    list: () => [...known.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => deviceOf(one)),
    async start() {
      connection = broker.connect({ clientId: 'central-devices' });
      await connection.subscribe(
        filters.anyAvailability,
        take(Availability, (one, { state }) => {
          one.online = state === 'online';
        }),
      );
      await connection.subscribe(
        filters.anyStatus,
        take(NodeStatus, (one, status) => {
          one.status = status;
        }),
      );
      stopLooking = clock.every(LOOK_MS, 'silent devices', () => {
        for (const one of known.values()) if (deviceOf(one).available !== JSON.parse(one.told)[0]) tell(one);
      });
    },
    async stop() {
      stopLooking();
      await connection?.close();
    },
  };
}
