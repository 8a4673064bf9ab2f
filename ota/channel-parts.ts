import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { TouchlineError } from '#contracts/errors.ts';
import { SERVICES } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { Architecture } from '#contracts/release.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { localInstallDisk } from '#ports/install-disk/local-install-disk.ts';
import { httpSupervisor } from '#ports/supervisor/http-supervisor.ts';
import { systemdUnits } from '#ports/units/systemd-units.ts';
import type { UpdateChannel } from '#ports/update-channel/update-channel.ts';
import type { UpdateLock } from '#ports/update-lock/update-lock.ts';
import { balenaChannel } from './channel-balena.ts';
import { releaseFeedChannel } from './channel-release-feed.ts';
import { httpReleaseFeed } from './channel-releases/feed.ts';
import { nodeHealth } from './channel-releases/node-health.ts';
import { readPublicKey } from './format/keys.ts';

export interface ChannelParts {
  readonly clock: Clock;
  /** The one that the updater itself takes. */
  readonly lock: UpdateLock;
  /** Of the process, where balenaOS says how its Supervisor is asked. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Units of ota/install/units. */
const unitOf = (service: string): string => `touchline-${service}.service`;
const OWN_UNIT = unitOf('updater');

/** The channel that the configuration names; undefined with `none`. Throws `supervisor_missing`, `configuration_invalid`, `foreign_release`. */
export function updateChannel(
  config: Pick<NodeConfig, 'updates' | 'api'>,
  parts: ChannelParts,
): UpdateChannel | undefined {
  switch (config.updates.channel) {
    case 'none':
      return undefined;
    case 'balena': {
      const { BALENA_SUPERVISOR_ADDRESS: address, BALENA_SUPERVISOR_API_KEY: key } = parts.env;
      if (address === undefined || key === undefined)
        throw new TouchlineError(
          'supervisor_missing',
          'updates.channel is balena, and BALENA_SUPERVISOR_ADDRESS and BALENA_SUPERVISOR_API_KEY are not both set',
          { field: 'updates.channel' },
        );
      return balenaChannel(httpSupervisor({ address, key }), parts.clock);
    }
    case 'releases':
      return releases(config, parts);
  }
}

function releases({ updates, api }: Pick<NodeConfig, 'updates' | 'api'>, parts: ChannelParts): UpdateChannel {
  const { feed, keys, root } = updates.releases;
  if (feed === undefined)
    throw new TouchlineError('configuration_invalid', 'updates.channel is releases, and no feed is named', {
      field: 'updates.releases.feed',
    });
  const { clock, lock } = parts;
  const units = systemdUnits();
  const services = SERVICES.map(unitOf).filter((unit) => unit !== OWN_UNIT);
  const host = ['0.0.0.0', '::'].includes(api.host) ? '127.0.0.1' : api.host;
  return releaseFeedChannel({
    ...{ clock, lock, units, services, root },
    disk: localInstallDisk(),
    feed: httpReleaseFeed(feed),
    trusted: trustedKeys(keys),
    architecture: ownArchitecture(),
    ownUnit: OWN_UNIT,
    isHealthy: nodeHealth({
      ...{ units, services, clock },
      api: `http://${host}:${api.port}`,
      limits: { patienceMs: updates.health_patience_sec * 1000 },
    }),
  });
}

/** A line each; empty lines and those that begin with # are passed over. */
function trustedKeys(path: string): KeyObject[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new TouchlineError('configuration_invalid', `${path} cannot be read: ${(cause as Error).message}`, {
      field: 'updates.releases.keys',
      remedy:
        'Write the lines there that `./touchline release keygen` printed for whoever makes the releases.',
      cause,
    });
  }
  return text.split('\n').flatMap((line, index) => {
    const key = line.trim();
    return key === '' || key.startsWith('#') ? [] : [readPublicKey(key, `${path}, line ${index + 1}`)];
  });
}

function ownArchitecture(): Architecture {
  if (process.arch === 'arm64') return 'arm64';
  if (process.arch === 'x64') return 'amd64';
  throw new TouchlineError('foreign_release', `there are no releases for ${process.arch}`, {
    field: 'updates.channel',
    remedy: 'Set updates.channel to none.',
  });
}
