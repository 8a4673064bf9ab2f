import { join } from 'node:path';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { serialReceiver } from '#ports/gnss/serial-receiver.ts';
import { systemdHostClock } from '#ports/host-clock/systemd.ts';
import { alsaSpeaker } from '#ports/sound/alsa-speaker.ts';
import { chronyd } from '#ports/time-daemon/chronyd.ts';
import { udpExchange } from '#ports/time-exchange/udp-exchange.ts';
import type { SyncAgentDeps } from './service.ts';

/** The real parts that the configuration of a node asks for. */
export function clockParts(
  config: NodeConfig,
  clock: Clock,
): Pick<SyncAgentDeps, 'exchange' | 'speaker' | 'daemon' | 'hostClock' | 'receiver'> {
  const { exchange_host: host, exchange_port: port } = config.sync;
  const exchange = udpExchange({ clock, listen: { host, port } });
  const { beep } = config.sync;
  const speaker = beep.enabled ? alsaSpeaker({ device: beep.device, clock }) : undefined;
  // Also with `system`: a run before may have left the host without its time service.
  const hostClock = systemdHostClock({ clock });
  if (config.sync.clock === 'system') return { exchange, speaker, hostClock };
  const daemon = chronyd({
    clock,
    runtimeFolder: join(config.runtime_dir, 'chronyd'),
    stateFolder: join(config.state_dir, 'sync-agent'),
    control: 'clock',
  });
  const { gnss_device: device, gnss_baud: baud } = config.sync.chronyd;
  const receiver = device === undefined ? undefined : serialReceiver({ clock, device, baud });
  return { exchange, speaker, hostClock, daemon, receiver };
}
