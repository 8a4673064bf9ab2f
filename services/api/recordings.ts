import { RecordingList } from '#contracts/http-node.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { HttpApp } from '#runtime/http-app.ts';
import { readManifests } from '#runtime/manifests.ts';

export function recordingRoutes(app: HttpApp, { disk }: { readonly disk: Disk }): void {
  app.get(
    nodeRoutes.recordings,
    { schema: { summary: 'Manifests on this node', response: { 200: RecordingList } } },
    async () => {
      const { manifests, unreadable } = await readManifests(disk);
      return {
        recordings: manifests.map(({ manifest, manifestPath }) => ({
          manifest_path: manifestPath,
          manifest,
        })),
        unreadable: unreadable.map(({ manifestPath, error }) => ({
          manifest_path: manifestPath,
          reason: error.message,
        })),
      };
    },
  );
}
