import { type CameraId, recordingId, type SessionId, type SessionUid } from './ids.ts';
import { fileStamp } from './time.ts';

/** Where files lie, relative to the storage root, on the node and on central. Names come validated from `ids`. */

/** Folder of a session: its name, or `{SESSION}~{last 6 of the uid}` when the name is taken by another session. */
export function sessionFolder(sessionId: SessionId, uid: SessionUid, nameTaken: boolean): string {
  return nameTaken ? `${sessionId}~${uid.slice(-6)}` : sessionId;
}

/** `{SESSION_ID}_{CAM_ID}_{YYYYMMDD}_{HHMMSS}.mp4`, UTC start of the file. */
export function videoFileName(sessionId: SessionId, cameraId: CameraId, startUs: number): string {
  return `${recordingId(sessionId, cameraId)}_${fileStamp(startUs)}.mp4`;
}

/** What a file of a recording is called when it leaves central. */
export function downloadName(
  sessionId: SessionId,
  cameraId: CameraId,
  part: number,
  extension: string,
): string {
  return numbered(recordingId(sessionId, cameraId), part, extension);
}

export const panoramaDownloadName = (sessionId: SessionId): string => `${sessionId}_panorama.mp4`;

function numbered(stem: string, part: number, extension: string): string {
  return part === 1 ? `${stem}.${extension}` : `${stem}.p${part}.${extension}`;
}

/** Storage of a node, below its mount point. `folder` is a session folder. */
export const nodeLayout = {
  recordings: 'recordings',
  manifests: 'manifests',
  video: (folder: string, cameraId: CameraId, fileName: string) =>
    `recordings/${folder}/${cameraId}/${fileName}`,
  journal: (folder: string, cameraId: CameraId, fileName: string) =>
    `recordings/${folder}/${cameraId}/${fileName}.journal.json`,
  manifestFolder: (folder: string, cameraId: CameraId) => `manifests/${folder}/${cameraId}`,
  manifest: (folder: string, sessionId: SessionId, cameraId: CameraId, part: number) =>
    `manifests/${folder}/${cameraId}/${numbered(recordingId(sessionId, cameraId), part, 'json')}`,
  timelineName: (sessionId: SessionId, cameraId: CameraId, part: number) =>
    numbered(recordingId(sessionId, cameraId), part, 'timeline.jsonl'),
  /** Moments of a session (`Mark`), beside the manifests; one of the name for all parts. */
  marks: (folder: string, cameraId: CameraId) => `manifests/${folder}/${cameraId}/marks.jsonl`,
  /** Reference pictures of Lock View, for the recordings that follow. */
  lockViewName: (atUs: number) => `lock-view_${fileStamp(atUs)}_${String(atUs % 1e6).padStart(6, '0')}.jpg`,
  /** Clip of a self-test, deleted when it was checked. */
  selfTest: 'self-test',
  lockView: (fileName: string) => `lock-views/${fileName}`,
  lockViewRecord: 'lock-views/latest.json',
} as const;

/** Storage of central, below its root. */
export const centralLayout = {
  sessions: 'sessions',
  processing: 'processing',
  video: (folder: string, cameraId: CameraId, part: number) =>
    `sessions/${folder}/${cameraId}/${numbered('recording', part, 'mp4')}`,
  manifest: (folder: string, cameraId: CameraId, part: number) =>
    `sessions/${folder}/${cameraId}/${numbered('manifest', part, 'json')}`,
  /** By the name that the manifest knows it by. */
  timeline: (folder: string, sessionId: SessionId, cameraId: CameraId, part: number) =>
    `sessions/${folder}/${cameraId}/${nodeLayout.timelineName(sessionId, cameraId, part)}`,
  /** Moments of a session, by the camera that kept them; one of the name for all parts. */
  marks: (folder: string, cameraId: CameraId) => `sessions/${folder}/${cameraId}/marks.jsonl`,
  /** Every browser plays it; frame n of it is frame n of the recording. */
  proxy: (folder: string, cameraId: CameraId, part: number) =>
    `sessions/${folder}/${cameraId}/${numbered('proxy', part, 'mp4')}`,
  thumbnail: (folder: string, cameraId: CameraId, part: number) =>
    `sessions/${folder}/${cameraId}/${numbered('thumbnail', part, 'jpg')}`,
  /** Whose folder it is: `StoredSession`. */
  sessionRecord: (folder: string) => `sessions/${folder}/session.json`,
  panorama: (folder: string) => `sessions/${folder}/stitched/panorama.mp4`,
  /** What was made, beside it: `PanoramaResult`. */
  panoramaResult: (folder: string) => `sessions/${folder}/stitched/panorama.json`,
  panoramaThumbnail: (folder: string) => `sessions/${folder}/stitched/thumbnail.jpg`,
  calibrations: 'processing/calibrations',
  calibration: (calibrationId: string) => `processing/calibrations/${calibrationId}.json`,
  jobsExport: 'processing/jobs.json',
} as const;
