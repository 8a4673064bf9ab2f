import { useState } from 'preact/hooks';
import type { CentralSession, Job } from '#contracts/http-central.ts';
import type { PanoramaResult } from '#contracts/panorama.ts';
import { Notice, ProblemNotice } from '../components/notice.tsx';
import { Pill } from '../components/pill.tsx';
import { durationText, figure, UNKNOWN } from '../live/format.ts';
import { problemOfJob } from './job-words.ts';
import { MakePanorama } from './make-panorama.tsx';
import { LEFT_OUT_MIN_SEC, lackOf } from './session-summary.ts';

/** How far the panorama can be trusted, in numbers, and another one with other settings. */
export function PanoramaPanel({ session, jobs }: { session: CentralSession; jobs: readonly Job[] }) {
  const [asking, setAsking] = useState(false);
  const busy = jobs.find(
    ({ kind, state }) => kind === 'panorama' && (state === 'running' || state === 'queued'),
  );
  const { panorama } = session;
  const last = jobs.find(({ kind }) => kind === 'panorama');
  return (
    <section class="section" aria-labelledby="panorama">
      <div class="section-head">
        <h2 id="panorama">Panorama</h2>
        {panorama ? (
          <a class="button" href={`${panorama.url}?download`} download>
            Download
          </a>
        ) : null}
        <button
          type="button"
          class="button"
          disabled={busy !== undefined}
          onClick={() => setAsking(true)}
          data-testid="make"
        >
          {busy ? 'Being made' : panorama ? 'Make again' : 'Make a panorama'}
        </button>
      </div>
      {asking ? <MakePanorama session={session} onClose={() => setAsking(false)} /> : null}
      {last?.state === 'failed' && last.error ? (
        <ProblemNotice what="The last one failed" problem={problemOfJob(last.error)} />
      ) : null}
      {panorama ? (
        <Result result={panorama.result} />
      ) : (
        <p class="soft">
          {busy
            ? 'It is being made; it appears here when it is whole.'
            : session.complete
              ? 'None was made of this session.'
              : 'It is made by itself when all cameras have sent everything, or now from those that are there.'}
        </p>
      )}
    </section>
  );
}

const ORIGINS = {
  made: 'made from this session',
  recognised: 'kept from an earlier session, and found to fit',
  asked_for: 'kept, and asked for by name',
} as const;

function Result({ result }: { result: PanoramaResult }) {
  const { calibration, calibration_reason: reason, calibration_origin: origin } = result;
  const wanted = reason?.code !== 'not_wanted';
  const lacks = lackOf(result);
  return (
    <div class="panel calibration" data-testid="calibration">
      {lacks === null ? null : (
        <Notice tone="warning" title={`Not all of the match is here: ${lacks}`}>
          <p>
            The panorama goes from {timeText(result.from)} to {timeText(result.to)}; where a camera did not
            record, its place is black. All that was recorded is in the recordings of the cameras.
          </p>
        </Notice>
      )}
      <p class="calibration-head">
        <Pill
          tone={calibration ? 'calm' : wanted ? 'warning' : 'unknown'}
          text={calibration ? 'Calibrated' : 'Not calibrated'}
        />
        <span class="soft">
          {calibration
            ? `${calibration.calibration_id}${origin ? `, ${ORIGINS[origin]}` : ''}`
            : `The views lie side by side${wanted ? '; they are not matched to each other' : ', as it was asked for'}`}
        </span>
      </p>
      {reason && wanted ? (
        <Notice tone="warning" title="Why not">
          <p>{reason.message}</p>
          {reason.usable.length > 0 ? (
            <p class="soft">
              Kept calibrations of these cameras that can be asked for: {reason.usable.join(', ')}
            </p>
          ) : null}
        </Notice>
      ) : null}
      <div class="calibration-tables">
        {calibration ? <Cameras result={result} /> : null}
        {result.seams.length > 0 ? <Seams result={result} /> : null}
      </div>
      <p class="soft small figures">
        {result.width}×{result.height}, {figure(result.fps, result.fps % 1 ? 2 : 0)}/s,{' '}
        {durationText(result.duration_sec)}, {result.frames} frames, {result.layout}
        {calibration
          ? ` · ${calibration.control_points} control points, ${calibration.rms_px.toFixed(2)} px rms, ${calibration.max_px.toFixed(1)} px at most`
          : ''}
        {result.uncovered_sec >= 0.05 && result.uncovered_sec <= LEFT_OUT_MIN_SEC
          ? ` · ${figure(result.uncovered_sec, 1)} s of the recordings are not in it`
          : ''}
      </p>
      {result.notes.length > 0 ? (
        <ul class="notes">
          {result.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      ) : null}
    </div>
  );
}

function Cameras({ result: { calibration, exposure } }: { result: PanoramaResult }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys
    <section class="table-window" tabIndex={0} aria-label="Where the cameras look">
      <table class="compare">
        <caption>Where the cameras look</caption>
        <thead>
          <tr>
            <th scope="col">Camera</th>
            <th scope="col">Yaw</th>
            <th scope="col">Pitch</th>
            <th scope="col">Roll</th>
            <th scope="col">Width</th>
            <th scope="col">Luma</th>
          </tr>
        </thead>
        <tbody>
          {calibration?.cameras.map((camera) => (
            <tr key={camera.camera_id}>
              <th scope="row">{camera.camera_id}</th>
              <td class="figures">{degrees(camera.yaw_deg)}</td>
              <td class="figures">{degrees(camera.pitch_deg)}</td>
              <td class="figures">{degrees(camera.roll_deg)}</td>
              <td class="figures">{camera.hfov_deg.toFixed(1)}°</td>
              <td class="figures">
                {gainText(exposure.find(({ camera_id }) => camera_id === camera.camera_id)?.gain)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Seams({ result: { seams, calibration } }: { result: PanoramaResult }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys
    <section class="table-window" tabIndex={0} aria-label="The seams">
      <table class="compare">
        <caption>At the seams</caption>
        <thead>
          <tr>
            <th scope="col">Seam</th>
            <th scope="col">Points</th>
            <th scope="col">Residual</th>
            <th scope="col">Exposure step</th>
          </tr>
        </thead>
        <tbody>
          {seams.map((seam) => (
            <tr key={`${seam.left} ${seam.right}`}>
              <th scope="row">
                {seam.left} | {seam.right}
              </th>
              <td class="figures">
                {calibration?.seams.find(({ left, right }) => left === seam.left && right === seam.right)
                  ?.control_points ?? UNKNOWN}
              </td>
              <td class="figures">{figure(seam.residual_px, 2, 'px')}</td>
              <td class="figures">
                {levels(seam.exposure_step_before?.y)} → {levels(seam.exposure_step_after?.y)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** In the zone of the browser, as the player shows it. */
function timeText(wireTime: string): string {
  return new Date(wireTime).toLocaleTimeString();
}

function degrees(value: number): string {
  return `${value < 0 ? '−' : ''}${Math.abs(value).toFixed(2)}°`;
}

function gainText(gain: number | undefined): string {
  return gain === undefined ? 'as recorded' : `× ${gain.toFixed(2)}`;
}

/** Levels of 8-bit video; the sign says which side is brighter. */
function levels(step: number | undefined): string {
  return step === undefined ? UNKNOWN : `${step < 0 ? '−' : ''}${Math.abs(step).toFixed(1)}`;
}
