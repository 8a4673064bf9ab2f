import { ConfirmRequest, ConfirmResult, UploadResult } from '#contracts/http-central.ts';
import { centralRoutes } from '#contracts/routes.ts';
import type { HttpApp } from '#runtime/http-app.ts';
import type { Catalog } from './catalog.ts';
import { lingerAfterRefusal } from './linger.ts';
import type { Uploads } from './upload.ts';

export interface IngestRouteParts {
  readonly uploads: Uploads;
  readonly catalog: Catalog;
  /** Called after a recording got its place, before the answer. */
  readonly onStored: (sessionUid: string) => Promise<void>;
}

/** Upload and confirm. The app has the multipart plugin. */
export function ingestRoutes(app: HttpApp, { uploads, catalog, onStored }: IngestRouteParts): void {
  app.post(
    centralRoutes.upload,
    {
      schema: {
        summary: 'Upload a recording',
        description:
          'multipart/form-data: the text fields session_id, camera_id, checksum, manifest, session_uid, part, then the part "file".',
        consumes: ['multipart/form-data'],
        response: { 200: UploadResult },
      },
    },
    async (request, reply) => {
      try {
        const result = await uploads.receive(request);
        if (!result.already_there) await onStored(result.session_uid);
        return result;
      } finally {
        lingerAfterRefusal(request, reply);
      }
    },
  );
  app.post(
    centralRoutes.confirm,
    {
      schema: {
        summary: 'What the server has of a recording',
        body: ConfirmRequest,
        response: { 200: ConfirmResult },
      },
    },
    (request) => catalog.confirm(request.body),
  );
}
