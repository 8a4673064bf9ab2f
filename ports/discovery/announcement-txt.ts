import { z } from 'zod';
import { CameraId, Position, RigId } from '#contracts/ids.ts';
import type { Announcement } from './discovery.ts';

/** The TXT record of a node: short keys, for all of it has to fit one packet (RFC 6763 6). */
const port = z.coerce.number().int().min(1).max(65_535);
const Txt = z.object({
  id: CameraId,
  rig: RigId,
  position: Position.optional(),
  version: z.string().max(64),
  hw: z.string().min(1).max(64),
  mqtt: port,
  exchange: port,
  api: port,
});

export function txtOf(self: Announcement): Record<string, string> {
  return {
    id: self.camera_id,
    rig: self.rig,
    ...(self.position === null ? {} : { position: self.position }),
    version: self.version,
    hw: self.hardware_id,
    mqtt: String(self.mqtt_port),
    exchange: String(self.exchange_port),
    api: String(self.api_port),
  };
}

/** Undefined when it is none of ours: the network may say what it likes. */
export function announcementOf(strings: readonly Uint8Array[]): Announcement | undefined {
  const pairs = strings.map((bytes) => {
    const text = Buffer.from(bytes).toString('utf8');
    const at = text.indexOf('=');
    return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  });
  const { data } = Txt.safeParse(Object.fromEntries(pairs));
  return (
    data && {
      rig: data.rig,
      camera_id: data.id,
      position: data.position ?? null,
      version: data.version,
      hardware_id: data.hw,
      mqtt_port: data.mqtt,
      exchange_port: data.exchange,
      api_port: data.api,
    }
  );
}
