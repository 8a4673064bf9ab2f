import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { TouchlineError } from '#contracts/errors.ts';
import { CameraId, Part, SessionUid } from '#contracts/ids.ts';
import { centralLayout, downloadName, panoramaDownloadName } from '#contracts/layout.ts';
import { centralFiles, centralRoutes } from '#contracts/routes.ts';
import type { BlobStore } from '#ports/blobs/blobs.ts';
import type { HttpApp } from '#runtime/http-app.ts';
import { sendFile } from '#runtime/send-file.ts';
import type { Catalog } from '../ingest/catalog.ts';
import type { CatalogRecording, CatalogSession } from '../ingest/describe.ts';
import type { Hashes } from '../ingest/hashes.ts';

export interface FileRouteParts {
  readonly catalog: Catalog;
  readonly store: BlobStore;
  readonly hashes: Hashes;
}

const BySession = z.object({ session_uid: SessionUid });
const ByRecording = z.object({
  session_uid: SessionUid,
  camera_id: CameraId,
  part: z.coerce.number().pipe(Part),
});
const Query = z.object({ download: z.string().optional().describe('Kept as a file instead of shown') });

/** A stored file and what it is called outside. */
interface Offered {
  readonly stored: string;
  readonly name: string;
  /** Known from the catalogue; else the file is read once. */
  readonly sha256?: string;
}

/** The files of sessions. Their names come from the catalogue, never from the address. */
export function fileRoutes(app: HttpApp, { catalog, store, hashes }: FileRouteParts): void {
  const answer = async (
    request: FastifyRequest,
    reply: FastifyReply,
    offered: Offered,
    download: string | undefined,
  ): Promise<FastifyReply> => {
    const file = await store.find(offered.stored);
    if (!file) throw new TouchlineError('not_found', `${offered.name} is not there (yet)`);
    const sha256 = offered.sha256 ?? (await hashes.of(offered.stored)).sha256;
    return sendFile(request, reply, {
      path: file.path,
      tag: sha256,
      name: offered.name,
      download: download !== undefined,
    });
  };

  const ofRecording: [route: string, summary: string, offered: OfRecording][] = [
    [centralFiles.original, 'A recording as the camera wrote it', original],
    [centralFiles.manifest, 'Its manifest', manifest],
    [centralFiles.timeline, 'What the clocks said while it was recorded, once a second', timeline],
    [centralFiles.marks, 'The moments that its camera kept, of all parts', marks],
    [centralFiles.proxy, 'The same film as every browser plays it', proxy],
    [centralFiles.thumbnail, 'Its middle frame', thumbnail],
  ];
  for (const [route, summary, offered] of ofRecording)
    app.get(
      route,
      { schema: { summary, description: 'Takes Range.', params: ByRecording, querystring: Query } },
      async (request, reply) => {
        const { session_uid, camera_id, part } = request.params;
        const session = await catalog.session(session_uid);
        const recording = session.recordings.find((one) => one.camera_id === camera_id && one.part === part);
        if (!recording)
          throw new TouchlineError('not_found', `${session.session_id} has no part ${part} of ${camera_id}`);
        return answer(request, reply, offered(session, recording), request.query.download);
      },
    );

  const ofSession: [route: string, summary: string, offered: (session: CatalogSession) => Offered][] = [
    [centralFiles.panorama, 'The panorama', panorama],
    [centralFiles.panoramaThumbnail, 'Its middle frame', panoramaThumbnail],
  ];
  for (const [route, summary, offered] of ofSession)
    app.get(
      route,
      { schema: { summary, description: 'Takes Range.', params: BySession, querystring: Query } },
      async (request, reply) => {
        const session = await catalog.session(request.params.session_uid);
        return answer(request, reply, offered(session), request.query.download);
      },
    );

  app.get(
    centralRoutes.checksums,
    {
      schema: {
        summary: 'SHA-256 of the files of a session, for sha256sum -c',
        description: 'Recordings, their manifests and the panorama, by the names they have with ?download.',
        params: BySession,
      },
    },
    async (request, reply) => {
      const session = await catalog.session(request.params.session_uid);
      const offered = session.recordings.flatMap((one) => [original(session, one), manifest(session, one)]);
      const lines: string[] = [];
      for (const { stored, name, sha256 } of [...offered, panorama(session)])
        if (await store.find(stored)) lines.push(`${sha256 ?? (await hashes.of(stored)).sha256}  ${name}\n`);
      return reply
        .type('text/plain; charset=utf-8')
        .header('content-disposition', `inline; filename="${session.session_id}.sha256"`)
        .send(lines.join(''));
    },
  );
}

type OfRecording = (session: CatalogSession, recording: CatalogRecording) => Offered;

const original: OfRecording = ({ folder, session_id }, { camera_id, part, sha256 }) => ({
  stored: centralLayout.video(folder, camera_id, part),
  name: downloadName(session_id, camera_id, part, 'mp4'),
  sha256,
});
const manifest: OfRecording = ({ folder, session_id }, { camera_id, part }) => ({
  stored: centralLayout.manifest(folder, camera_id, part),
  name: downloadName(session_id, camera_id, part, 'json'),
});
const timeline: OfRecording = ({ folder, session_id }, { camera_id, part }) => ({
  stored: centralLayout.timeline(folder, session_id, camera_id, part),
  name: downloadName(session_id, camera_id, part, 'timeline.jsonl'),
});
const marks: OfRecording = ({ folder, session_id }, { camera_id }) => ({
  stored: centralLayout.marks(folder, camera_id),
  name: downloadName(session_id, camera_id, 1, 'marks.jsonl'),
});
const proxy: OfRecording = ({ folder, session_id }, { camera_id, part }) => ({
  stored: centralLayout.proxy(folder, camera_id, part),
  name: downloadName(session_id, camera_id, part, 'proxy.mp4'),
});
const thumbnail: OfRecording = ({ folder, session_id }, { camera_id, part }) => ({
  stored: centralLayout.thumbnail(folder, camera_id, part),
  name: downloadName(session_id, camera_id, part, 'jpg'),
});
const panorama = ({ folder, session_id }: CatalogSession): Offered => ({
  stored: centralLayout.panorama(folder),
  name: panoramaDownloadName(session_id),
});
const panoramaThumbnail = ({ folder, session_id }: CatalogSession): Offered => ({
  stored: centralLayout.panoramaThumbnail(folder),
  name: `${session_id}_panorama.jpg`,
});
