import { useEffect, useRef, useState } from 'preact/hooks';
import { nodeRoutes } from '#contracts/routes.ts';
import { type Problem, path, problemIn, Refusal } from '../live/http.ts';

/** The newest picture, and why there is no newer one. */
export interface Preview {
  readonly url?: string;
  readonly problem?: Problem;
}

const TIMEOUT_MS = 10_000;
/** By then the browser has put the next picture in the place of the last. */
const SHOWN_BY_MS = 1000;

/** Fetches a camera's picture again and again while `wanted`, one request at a time. */
export function usePreview(cameraId: string, width: number, everyMs: number, wanted: boolean): Preview {
  const [preview, setPreview] = useState<Preview>({});
  const shown = useRef<string>(undefined);
  useEffect(
    () => () => {
      if (shown.current !== undefined) URL.revokeObjectURL(shown.current);
    },
    [],
  );
  useEffect(() => {
    if (!wanted) return undefined;
    const control = new AbortController();
    const run = async (): Promise<void> => {
      while (!control.signal.aborted) {
        try {
          const picture = await fetchPicture(cameraId, width, control.signal);
          if (control.signal.aborted) return;
          const old = shown.current;
          shown.current = URL.createObjectURL(picture);
          setPreview({ url: shown.current });
          // Shown first: a picture whose address is gone would flash.
          if (old !== undefined) setTimeout(() => URL.revokeObjectURL(old), SHOWN_BY_MS);
        } catch (error) {
          if (control.signal.aborted) return;
          setPreview(({ url }) => ({ ...(url === undefined ? {} : { url }), problem: problemIn(error) }));
        }
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
    };
    void run();
    return () => control.abort();
  }, [cameraId, width, everyMs, wanted]);
  return preview;
}

async function fetchPicture(cameraId: string, width: number, signal: AbortSignal): Promise<Blob> {
  const address = `${path(nodeRoutes.camera, { camera_id: cameraId })}/preview.jpg?width=${width}`;
  const response = await fetch(address, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  }).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new Refusal({ code: 'unreachable', message: 'no answer' });
  });
  if (response.ok) return response.blob();
  const { code = 'unreachable', message, detail } = (await response.json()) as Record<string, string>;
  throw new Refusal({ code, message: message ?? detail ?? 'no picture' });
}
