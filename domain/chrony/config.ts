import { DRIFT_PPM, SLEW_PPM } from '../sync/estimator.ts';

/** What chronyd of one node is told. Paths are absolute; hosts of the rig are IP addresses. */
export interface ChronyPlan {
  readonly role: 'master' | 'follower';
  readonly port: number;
  /** Address to answer on; all of them when left out. */
  readonly listen?: string | undefined;
  /** The other nodes of the rig. */
  readonly others: readonly string[];
  /** NTP servers outside of the rig. */
  readonly upstream: readonly string[];
  /** Where chronyd makes the socket that samples of a GNSS receiver are written to. */
  readonly gnssSocket?: string | undefined;
  readonly ppsDevice?: string | undefined;
  /** Whether its first updates may step the clock: not while the rig records. */
  readonly mayStep: boolean;
  readonly files: ChronyFiles;
}

export interface ChronyFiles {
  readonly commandSocket: string;
  readonly pidFile: string;
  readonly driftFile: string;
}

/** chrony.conf(5), "local": another source of time has to be better than this to count, and an isolated rig still has a clock. */
const MASTER_STRATUM = 8;
const ORPHAN_STRATUM = 10;

/**
 * The configuration of chronyd for a rig: the master serves its clock as it is, the others follow it and each other, and one of them takes over
 * by itself when the master is gone (measured on kernels of the lab: below 0.1 ms after 6 s).
 */
export function chronyConfig(plan: ChronyPlan): string {
  const { role, port, listen, others, upstream, mayStep, files } = plan;
  const lines = [
    '# Written by Touchline at every start.',
    `port ${port}`,
    ...(listen === undefined ? [] : [`bindaddress ${listen}`]),
    // Only the socket takes commands, and only this user reaches it.
    'cmdport 0',
    `bindcmdaddress ${files.commandSocket}`,
    `pidfile ${files.pidFile}`,
    `driftfile ${files.driftFile}`,
    // Later than the first three updates a recording could be running.
    ...(mayStep ? ['makestep 0.1 3'] : []),
    // The guaranteed bound of rig time counts on these two.
    `maxdrift ${DRIFT_PPM}`,
    `maxslewrate ${SLEW_PPM}`,
    role === 'master'
      ? `local stratum ${MASTER_STRATUM}`
      : `local stratum ${ORPHAN_STRATUM} orphan distance 0.1`,
    ...(role === 'follower'
      ? others.map((host) => `server ${host} port ${port} minpoll 0 maxpoll 2 xleave iburst`)
      : []),
    ...upstream.map((host) => `server ${host} iburst`),
    ...receiver(plan),
    ...others.map((host) => `allow ${host}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** The sentences of the receiver say which second it is, to a tenth of one; the pulse says when it begins. */
function receiver({ gnssSocket, ppsDevice }: ChronyPlan): string[] {
  if (gnssSocket === undefined) return [];
  if (ppsDevice === undefined) return [`refclock SOCK ${gnssSocket} refid NMEA poll 2 delay 0.2`];
  return [
    `refclock SOCK ${gnssSocket} refid NMEA poll 2 delay 0.2 noselect`,
    `refclock PPS ${ppsDevice} refid PPS poll 2 lock NMEA`,
  ];
}
