import type { Blame } from './error-table.ts';

/** What can be wrong with a release, and with installing it: the part of the table of errors that is about updates. */
export const RELEASE_ERRORS = {
  signature_wrong: {
    status: 422,
    blame: 'peer',
    meaning: 'The release is not signed by a key that this node trusts.',
    remedy: 'Take it from whoever makes the releases; check the public keys of the node.',
  },
  release_expired: {
    status: 422,
    blame: 'peer',
    meaning: 'The release is older than it may be to be installed.',
    remedy: 'Offer a newer release; check that the clock of the node is right.',
  },
  release_older: {
    status: 422,
    blame: 'peer',
    meaning: 'A newer release than this one was seen already.',
    remedy: 'Offer a release with a higher counter; what is still installed can be switched to by name.',
  },
  release_truncated: {
    status: 422,
    blame: 'peer',
    meaning: 'The release lacks a file, or the end of one.',
    remedy: 'Publish it again, whole.',
  },
  checksum_wrong: {
    status: 422,
    blame: 'peer',
    meaning: 'A file of the release has another SHA-256 than its signed checksums say.',
    remedy: 'Publish it again; what was downloaded is thrown away.',
  },
  foreign_release: {
    status: 422,
    blame: 'peer',
    meaning: 'The release is not for this product or this machine.',
    remedy: 'Check the address of the release feed.',
  },
  release_skips_version: {
    status: 422,
    blame: 'peer',
    meaning: 'The release cannot be installed over the version that runs.',
    remedy: 'Install the version that is named first.',
  },
  feed_unreachable: {
    status: 503,
    blame: 'peer',
    meaning: 'The release feed cannot be read.',
    remedy: 'Check its address and the network; a download goes on where it broke off.',
  },
  services_not_restarted: {
    status: 503,
    blame: 'device',
    meaning: 'The services of the node could not be restarted.',
    remedy: 'See the reason; `systemctl status touchline-*` on the node tells more.',
  },
} as const satisfies Record<string, { status: number; blame: Blame; meaning: string; remedy: string }>;
