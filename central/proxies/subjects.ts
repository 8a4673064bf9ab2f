import type { JobRequest } from '#ports/jobs/jobs.ts';

/** What the proxies need to know of a session. */
export interface ProxySession {
  readonly session_uid: string;
  readonly folder: string;
  readonly recordings: readonly ProxyRecording[];
}

export interface ProxyRecording {
  readonly camera_id: string;
  readonly part: number;
  readonly file: string;
  readonly size_bytes: number;
}

/** The subject of the job that makes the picture of a session's panorama. */
export const PANORAMA_SUBJECT = 'panorama';

/** The subject of the job that makes the proxy of a recording: `CAM_L/1`. */
export function subjectOf({ camera_id, part }: Pick<ProxyRecording, 'camera_id' | 'part'>): string {
  return `${camera_id}/${part}`;
}

export function proxyRequest(sessionUid: string, subject: string): JobRequest {
  return { kind: 'proxy', session_uid: sessionUid, subject, settings: {} };
}
