import { useEffect, useState } from 'preact/hooks';
import type { CentralSession, Job } from '#contracts/http-central.ts';
import type { Calibration } from '#contracts/panorama.ts';
import { centralRoutes } from '#contracts/routes.ts';
import { Dialog } from '../components/dialog.tsx';
import { ProblemNotice } from '../components/notice.tsx';
import { dateText } from '../live/format.ts';
import { getJson, type Problem, path, postJson, problemIn } from '../live/http.ts';
import { useCentralContext } from './use-central.ts';

/** Asks for a panorama; begins with the settings of the last one. */
export function MakePanorama({ session, onClose }: { session: CentralSession; onClose: () => void }) {
  const { heardJob } = useCentralContext();
  const last = session.jobs.find((job) => job.kind === 'panorama')?.settings;
  const [calibration, setCalibration] = useState<string>(last?.calibration ?? 'auto');
  const [matchExposure, setMatchExposure] = useState(last?.match_exposure ?? true);
  const [overlap, setOverlap] = useState(last?.overlap_px === undefined ? '' : String(last.overlap_px));
  const [kept, setKept] = useState<readonly Calibration[]>([]);
  const [problem, setProblem] = useState<Problem>();
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    const stop = new AbortController();
    getJson<{ calibrations: Calibration[] }>(centralRoutes.calibrations, stop.signal).then(
      ({ calibrations }) => setKept(fitting(calibrations, session)),
      (error: unknown) => stop.signal.aborted || setProblem(problemIn(error)),
    );
    return () => stop.abort();
  }, [session]);

  const make = async (): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      const settings = {
        calibration,
        match_exposure: matchExposure,
        ...(overlap === '' ? {} : { overlap_px: Number(overlap) }),
      };
      heardJob(
        await postJson<Job>(path(centralRoutes.panorama, { session_uid: session.session_uid }), settings),
      );
      onClose();
    } catch (error) {
      setProblem(problemIn(error));
      setBusy(false);
    }
  };

  return (
    <Dialog title="Make a panorama" onClose={onClose}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <label class="field">
          <span>Calibration</span>
          <select value={calibration} onChange={(event) => setCalibration(event.currentTarget.value)}>
            <option value="auto">Automatic: a kept one that fits, else a new one</option>
            <option value="none">None: the views side by side</option>
            {kept.map((each) => (
              <option key={each.calibration_id} value={each.calibration_id}>
                {`${each.calibration_id}: ${dateText(each.made_at)}, ${each.rms_px.toFixed(2)} px`}
              </option>
            ))}
            {calibration !== 'auto' &&
            calibration !== 'none' &&
            !kept.some((each) => each.calibration_id === calibration) ? (
              <option value={calibration}>{calibration}</option>
            ) : null}
          </select>
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={matchExposure}
            onChange={(event) => setMatchExposure(event.currentTarget.checked)}
          />
          <span>Match exposure and colour between the cameras</span>
        </label>
        <label class="field">
          <span>Overlap where it is not calibrated, in pixels</span>
          <input
            type="number"
            inputMode="numeric"
            min={0}
            max={2000}
            step={2}
            placeholder="As the server is set"
            value={overlap}
            onInput={(event) => setOverlap(event.currentTarget.value)}
          />
        </label>
        <p class="soft small">The panorama there is now stays until the new one is whole.</p>
        {problem ? <ProblemNotice problem={problem} what="It was not accepted" /> : null}
        <button type="submit" class="button" data-kind="start" disabled={busy} data-busy={busy}>
          Make it
        </button>
      </form>
    </Dialog>
  );
}

/** Kept calibrations of the same cameras, the newest first. */
function fitting(calibrations: readonly Calibration[], { cameras }: CentralSession): Calibration[] {
  return calibrations
    .filter((each) => each.cameras.every(({ camera_id }) => cameras.includes(camera_id)))
    .sort((a, b) => (a.made_at < b.made_at ? 1 : -1));
}
