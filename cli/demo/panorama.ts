import type { CentralSession, PanoramaJob } from '#contracts/http-central.ts';
import type { PanoramaResult } from '#contracts/panorama.ts';

/** Whether the views were matched to each other, and how well; or why they were not. */
export function inWords({ width, height, calibration, calibration_reason: reason }: PanoramaResult): string {
  const size = `${width}x${height}`;
  if (calibration !== null)
    return `${size}, calibrated (${calibration.rms_px.toFixed(2)} px rms, ${calibration.control_points} points)`;
  return `${size}, not calibrated, side by side${reason === null ? '' : `: ${reason.message}`}`;
}

/** The newest job for a session's panorama. */
export function panoramaJob(session: CentralSession): PanoramaJob | undefined {
  return session.jobs
    .filter((job) => job.kind === 'panorama')
    .toSorted((a, b) => (a.created_at < b.created_at ? 1 : -1))[0];
}

/** What a session came to: the lines that are left when the demo in `directory` has ended. */
export function outcome(session: CentralSession, directory: string): string[] {
  const head = `${session.session_id}: ${session.recordings.length} recordings on central`;
  if (session.panorama)
    return [head, `  panorama ${inWords(session.panorama.result)}`, `  ${session.panorama.result.file}`];
  const job = panoramaJob(session);
  if (job === undefined) return [`${head}, no panorama`];
  if (job.state === 'queued' || job.state === 'running') {
    const done = job.state === 'running' ? `stopped at ${Math.floor(100 * job.progress)} %` : 'not begun';
    return [`${head}, panorama ${done}; it goes on with`, `  ./touchline demo --out ${directory}`];
  }
  return [`${head}, panorama ${job.state}${job.error ? `: ${job.error.message}` : ''}`];
}
