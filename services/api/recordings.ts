import { join } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { DeleteOffloadedResult } from '#contracts/commands.ts';
import { TouchlineError } from '#contracts/errors.ts';
import { RecordingList } from '#contracts/http-node.ts';
import { CameraId, Part, type SessionUid, SessionUid as Uid } from '#contracts/ids.ts';
import { nodeLayout } from '#contracts/layout.ts';
import type { TouchlineManifest } from '#contracts/manifest.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { nodeRoutes, pathTo } from '#contracts/routes.ts';
import type { ActiveRecording } from '#contracts/session.ts';
import { playlist } from '#domain/hls/playlist.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { HttpApp } from '#runtime/http-app.ts';
import { readManifests } from '#runtime/manifests.ts';
import { sendFile } from '#runtime/send-file.ts';
import { createFilmIndexes, sizeOf } from './film-index.ts';
import type { Peers } from './peers.ts';

export interface RecordingRoutesParts {
  readonly config: NodeConfig;
  readonly disk: Disk;
  readonly bus: Bus;
  readonly peers: Peers;
  /** What this node's recorder is writing now. */
  readonly active: () => ActiveRecording | null;
}

/** Name of the film beside its playlist: the last step of `nodeRoutes.video`. */
const FILM = nodeRoutes.video.slice(nodeRoutes.video.lastIndexOf('/') + 1);
/** Of a disk full of short recordings. A page waits longer. */
const DELETION_LIMIT_MS = 12_000;
const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl';
/** No browser plays motion JPEG from an MP4. */
const PLAYED_CODECS: readonly string[] = ['h264', 'h265'];

const OneFilm = z.object({ session_uid: Uid, part: z.coerce.number().pipe(Part) });
const OneCamera = z.object({ camera_id: CameraId });
type OneFilm = z.infer<typeof OneFilm>;

/** A file of this node's disk that can be watched. */
interface Film {
  readonly path: string;
  /** Undefined while it is being written. */
  readonly manifest: TouchlineManifest | undefined;
}

/** What this node recorded, to be listed and watched; and the same of every other node of the rig, through this one. */
export function recordingRoutes(
  app: HttpApp,
  { config, disk, bus, peers, active }: RecordingRoutesParts,
): void {
  const indexes = createFilmIndexes(disk);
  /** A finished film never moves; it can only be deleted. */
  const finished = new Map<string, Film>();

  const list = async (): Promise<RecordingList> => {
    const { manifests, unreadable } = await readManifests(disk);
    const files = new Set((await disk.list(nodeLayout.recordings)).map(({ path }) => path));
    return {
      recordings: manifests.map(({ manifest, manifestPath }) => {
        const { session_uid, part } = manifest.touchline;
        const playable =
          files.has(videoPath(manifest, manifestPath)) && PLAYED_CODECS.includes(manifest.file.codec);
        return {
          manifest_path: manifestPath,
          manifest,
          session_uid,
          part,
          playable,
          playlist: playable ? pathTo(nodeRoutes.playlist, { session_uid, part }) : null,
        };
      }),
      unreadable: unreadable.map(({ manifestPath, error }) => ({
        manifest_path: manifestPath,
        reason: error.message,
      })),
    };
  };

  const deleteOffloaded = (camera: CameraId): Promise<DeleteOffloadedResult> => {
    if (!config.cameras.includes(camera))
      throw new TouchlineError('not_found', `the rig has no camera ${camera}`);
    return bus.request(camera, 'deleteOffloaded', {}, { timeoutMs: DELETION_LIMIT_MS, issuedBy: 'rest' });
  };

  const find = async (uid: SessionUid, part: number): Promise<Film> => {
    const key = `${uid}/${part}`;
    const known = finished.get(key);
    if (known) return known;
    for (const { manifest, manifestPath } of (await readManifests(disk)).manifests)
      finished.set(`${manifest.touchline.session_uid}/${manifest.touchline.part}`, {
        path: videoPath(manifest, manifestPath),
        manifest,
      });
    const found = finished.get(key);
    if (found) return found;
    const now = active();
    if (now?.session_uid === uid && now.part === part) return { path: now.file, manifest: undefined };
    throw new TouchlineError('not_found', `this node has no part ${part} of a session ${uid}`);
  };

  const sendPlaylist = async ({ session_uid, part }: OneFilm, reply: FastifyReply): Promise<FastifyReply> => {
    const { path, manifest } = await find(session_uid, part);
    const { timescale, initialisationBytes, segments } = await indexes.of(path);
    const first = manifest?.touchline.first_frame;
    return reply
      .type(PLAYLIST_TYPE)
      .header('cache-control', 'private, no-cache')
      .send(
        playlist({
          file: FILM,
          timescale,
          initialisationBytes,
          segments,
          finished: manifest !== undefined,
          startsAt: first?.master ?? first?.local,
        }),
      );
  };

  const sendFilm = async (
    { session_uid, part }: OneFilm,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> => {
    const { path, manifest } = await find(session_uid, part);
    return sendFile(request, reply, {
      path: join(disk.root, path),
      // What is there of a film that grows does not change: its length names its bytes.
      tag: manifest?.checksum.value ?? `${session_uid}-${part}-${await sizeOf(disk, path)}`,
      name: path.slice(path.lastIndexOf('/') + 1),
      download: false,
    });
  };

  app.get(
    nodeRoutes.recordings,
    { schema: { summary: 'Recordings on this node', response: { 200: RecordingList } } },
    list,
  );
  app.delete(
    nodeRoutes.offloadedRecordings,
    {
      schema: {
        summary: 'Delete all offloaded recordings of this node whose sessions are over',
        response: { 200: DeleteOffloadedResult },
      },
    },
    async () => deleteOffloaded(config.camera_id),
  );
  app.get(
    nodeRoutes.playlist,
    { schema: { summary: 'Playlist of a recording, also of the one that is being made', params: OneFilm } },
    async (request, reply) => sendPlaylist(request.params, reply),
  );
  app.get(
    nodeRoutes.video,
    { schema: { summary: 'A recording as it is on the disk, or a range of it', params: OneFilm } },
    async (request, reply) => sendFilm(request.params, request, reply),
  );

  app.get(
    nodeRoutes.cameraRecordings,
    { schema: { summary: 'Recordings of any camera of the rig', params: OneCamera } },
    async (request, reply) =>
      request.params.camera_id === config.camera_id
        ? reply.send(await list())
        : peers.forward(request.params.camera_id, nodeRoutes.recordings, request, reply),
  );
  app.delete(
    nodeRoutes.cameraOffloadedRecordings,
    {
      schema: {
        summary: 'The same on any camera of the rig, by a command on the bus',
        params: OneCamera,
        response: { 200: DeleteOffloadedResult },
      },
    },
    async (request) => deleteOffloaded(request.params.camera_id),
  );
  app.get(
    nodeRoutes.cameraPlaylist,
    { schema: { summary: 'Playlist of a recording of any camera', params: OneCamera.extend(OneFilm.shape) } },
    async (request, reply) =>
      request.params.camera_id === config.camera_id
        ? sendPlaylist(request.params, reply)
        : peers.forward(
            request.params.camera_id,
            pathTo(nodeRoutes.playlist, request.params),
            request,
            reply,
          ),
  );
  app.get(
    nodeRoutes.cameraVideo,
    { schema: { summary: 'A recording of any camera', params: OneCamera.extend(OneFilm.shape) } },
    async (request, reply) =>
      request.params.camera_id === config.camera_id
        ? sendFilm(request.params, request, reply)
        : peers.forward(request.params.camera_id, pathTo(nodeRoutes.video, request.params), request, reply),
  );
}

function videoPath(manifest: TouchlineManifest, manifestPath: string): string {
  const folder = manifestPath.split('/')[1] ?? '';
  return nodeLayout.video(folder, manifest.recording.camera_id, manifest.file.name);
}
