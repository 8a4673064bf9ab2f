import type { JoinFailure } from '#domain/network/link.ts';

/** Numbers of NetworkManager's D-Bus interface (nm-dbus-types). */
export const DEVICE_TYPE = { ethernet: 1, wifi: 2 } as const;
export const DEVICE_STATE = { unavailable: 20, disconnected: 30, activated: 100, failed: 120 } as const;
export const ACTIVE_STATE = { activated: 2, deactivated: 4 } as const;
export const WIFI_MODE_AP = 3;
/** What was made since a checkpoint goes with its rollback. */
export const CHECKPOINT_DELETE_NEW = 2;

const REASON = {
  config_unavailable: 5,
  config_expired: 6,
  no_secrets: 7,
  supplicant_disconnect: 8,
  supplicant_config_failed: 9,
  supplicant_failed: 10,
  supplicant_timeout: 11,
  dhcp_start_failed: 15,
  dhcp_error: 16,
  dhcp_failed: 17,
  ssid_not_found: 53,
} as const;

const FAILURES = new Map<number, JoinFailure>([
  // It asked for another key, and nobody knew one.
  [REASON.no_secrets, 'wrong_key'],
  [REASON.ssid_not_found, 'not_found'],
  [REASON.config_unavailable, 'no_address'],
  [REASON.config_expired, 'no_address'],
  [REASON.dhcp_start_failed, 'no_address'],
  [REASON.dhcp_error, 'no_address'],
  [REASON.dhcp_failed, 'no_address'],
]);

/** What the reason of a device's state means for who wanted to join. */
export function failureOf(reason: number): JoinFailure {
  return FAILURES.get(reason) ?? 'failed';
}

/** For messages; numbers without a name stand for themselves. */
export function nameOfReason(reason: number): string {
  const name = Object.entries(REASON).find(([, number]) => number === reason)?.[0];
  return name?.replaceAll('_', ' ') ?? `reason ${reason}`;
}
