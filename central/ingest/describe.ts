import type { CentralRecording, CentralSession, VideoFacts } from '#contracts/http-central.ts';
import { type CameraId, recordingId } from '#contracts/ids.ts';
import { centralLayout } from '#contracts/layout.ts';
import type { Manifest } from '#contracts/manifest.ts';
import { centralFiles, pathTo } from '#contracts/routes.ts';
import type { RigSession } from '#contracts/session.ts';
import { fromWireTime, toWireTime } from '#contracts/time.ts';
import { viewOf } from '#domain/panorama/span.ts';
import type { BlobStore } from '#ports/blobs/blobs.ts';
import { expectedCameras, missingCameras } from './complete.ts';
import type { RecordingRow, SessionRow } from './tables.ts';

/** A recording with what its manifest says. */
export type CatalogRecording = CentralRecording & { readonly contents: Manifest | null };

/** A session as it is on the server, without what jobs know about it. */
export type CatalogSession = Omit<CentralSession, 'jobs' | 'panorama' | 'recordings'> & {
  readonly recordings: CatalogRecording[];
};

/** What the rows and files of a session say about it. `rows` are ordered by camera and part. */
export async function describeSession(
  store: BlobStore,
  session: SessionRow,
  rows: readonly RecordingRow[],
  record: RigSession | undefined,
): Promise<CatalogSession> {
  const recordings = await Promise.all(rows.map((row) => describeRecording(store, session, row)));
  const expected = expectedCameras(record);
  const missing = missingCameras(
    expected,
    rows.map((row) => ({ cameraId: row.camera_id, part: row.part, final: finalOf(row.manifest) })),
  );
  const panoramaThumbnail = await store.find(centralLayout.panoramaThumbnail(session.folder));
  return {
    session_uid: session.session_uid,
    session_id: session.session_id,
    folder: session.folder,
    complete: expected.length > 0 && missing.length === 0,
    cameras: fromLeftToRight(expected, recordings),
    missing: [...missing],
    ...spanOf(recordings),
    thumbnail_url: panoramaThumbnail
      ? pathTo(centralFiles.panoramaThumbnail, { session_uid: session.session_uid })
      : thumbnailOf(recordings),
    recordings,
  };
}

async function describeRecording(
  store: BlobStore,
  session: SessionRow,
  row: RecordingRow,
): Promise<CatalogRecording> {
  const { camera_id, part, manifest: contents } = row;
  const name = (of: 'video' | 'manifest' | 'proxy' | 'thumbnail'): string =>
    centralLayout[of](session.folder, camera_id, part);
  const [video, manifest, proxy, thumbnail] = await Promise.all([
    store.find(name('video')),
    store.find(name('manifest')),
    store.find(name('proxy')),
    store.find(name('thumbnail')),
  ]);
  const url = (of: keyof typeof centralFiles): string =>
    pathTo(centralFiles[of], { session_uid: session.session_uid, camera_id, part });
  const view = contents && viewOf(contents);
  return {
    recording_id: recordingId(session.session_id, camera_id),
    camera_id,
    position: view?.position ?? null,
    part,
    file: video?.path ?? name('video'),
    manifest: manifest?.path ?? null,
    size_bytes: Number(row.size_bytes),
    sha256: row.sha256,
    received_at: toWireTime(row.received_at.getTime() * 1000),
    started_at: view ? toWireTime(view.startUs) : null,
    master_time: view?.masterTime ?? null,
    ...(row.facts ?? announced(contents)),
    original_url: url('original'),
    proxy_url: proxy ? url('proxy') : null,
    manifest_url: manifest ? url('manifest') : null,
    thumbnail_url: thumbnail ? url('thumbnail') : null,
    contents,
  };
}

type Announced = { [K in keyof VideoFacts]: VideoFacts[K] | null };

/** What a manifest says of a file that was not read yet. */
function announced(manifest: Manifest | null): Announced {
  return {
    codec: manifest?.file.codec ?? null,
    width: manifest?.video.resolution.width ?? null,
    height: manifest?.video.resolution.height ?? null,
    fps: manifest?.video.fps ?? null,
    frames: manifest?.touchline?.frames ?? null,
    duration_sec: manifest?.video.duration_sec ?? null,
  };
}

/** A manifest of another program knows no parts: its file is all there is. */
function finalOf(manifest: Manifest | null): boolean | null {
  if (manifest === null) return null;
  return manifest.touchline?.final ?? true;
}

function spanOf(
  recordings: readonly CatalogRecording[],
): Pick<CatalogSession, 'started_at' | 'duration_sec'> {
  const spans = recordings.flatMap(({ started_at, duration_sec }) => {
    if (started_at === null) return [];
    const fromUs = fromWireTime(started_at);
    return [{ fromUs, toUs: fromUs + (duration_sec ?? 0) * 1e6 }];
  });
  if (spans.length === 0) return { started_at: null, duration_sec: null };
  const fromUs = Math.min(...spans.map((span) => span.fromUs));
  const toUs = Math.max(...spans.map((span) => span.toUs));
  return { started_at: toWireTime(fromUs), duration_sec: (toUs - fromUs) / 1e6 };
}

/** Where nothing says the position, after those of which it is known, by name. */
const ORDER = ['left', 'center', 'right'] as const;
const USUAL_POSITION: Readonly<Record<CameraId, (typeof ORDER)[number]>> = {
  CAM_L: 'left',
  CAM_C: 'center',
  CAM_R: 'right',
};

function fromLeftToRight(expected: readonly CameraId[], recordings: readonly CatalogRecording[]): CameraId[] {
  const place = (cameraId: CameraId): number => {
    const said = recordings.find((one) => one.camera_id === cameraId && one.position !== null)?.position;
    const position = said ?? USUAL_POSITION[cameraId];
    return position === undefined ? ORDER.length : ORDER.indexOf(position);
  };
  const all = [...new Set([...expected, ...recordings.map((one) => one.camera_id)])];
  return all.sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
}

/** The one in the middle shows most. */
function thumbnailOf(recordings: readonly CatalogRecording[]): string | null {
  const shown = recordings.filter((one) => one.thumbnail_url !== null);
  return (shown.find((one) => one.position === 'center') ?? shown[0])?.thumbnail_url ?? null;
}
