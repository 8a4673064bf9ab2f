import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { PreviewQuery } from '#contracts/http-node.ts';
import { CameraId } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import type { HttpApp } from '#runtime/http-app.ts';
import type { Peers } from './peers.ts';
import { sendMotionPreview, sendPreview } from './previews.ts';

export interface CameraRoutesParts {
  readonly config: NodeConfig;
  readonly peers: Peers;
  readonly previewSocket: string;
}

const OneCamera = z.object({ camera_id: CameraId });

/** Pictures of this node's camera, and of every other camera of the rig through this node. */
export function cameraRoutes(app: HttpApp, { config, peers, previewSocket }: CameraRoutesParts): void {
  const here = (width: number, reply: FastifyReply): Promise<FastifyReply> =>
    sendPreview(previewSocket, width, reply);

  app.get(
    nodeRoutes.preview,
    { schema: { summary: 'A picture of this camera now, as JPEG', querystring: PreviewQuery } },
    async (request, reply) => here(request.query.width, reply),
  );
  app.get(
    nodeRoutes.motionPreview,
    {
      schema: {
        summary: 'Pictures of this camera, one after the other, as motion JPEG',
        querystring: PreviewQuery,
      },
    },
    async (request, reply) => sendMotionPreview(previewSocket, request.query.width, reply),
  );
  app.get(
    nodeRoutes.cameraPreview,
    {
      schema: {
        summary: 'A picture of any camera of the rig',
        params: OneCamera,
        querystring: PreviewQuery,
      },
    },
    async (request, reply) => {
      const { camera_id } = request.params;
      if (camera_id === config.camera_id) return here(request.query.width, reply);
      return peers.forward(camera_id, `${nodeRoutes.preview}?width=${request.query.width}`, request, reply);
    },
  );
}
