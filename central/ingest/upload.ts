import type { Readable } from 'node:stream';
// Brings what the plugin adds to a request.
import type {} from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import { UploadFields, type UploadResult } from '#contracts/http-central.ts';
import { Manifest } from '#contracts/manifest.ts';
import { type KeepParts, keep, type Verified } from './keep.ts';
import { assertManifestFits, assertSame, type Probe } from './probe.ts';

export interface UploadLimits {
  readonly maxBytes: number;
  readonly minFreeBytes: number;
  readonly timeoutMs: number;
}

export interface UploadParts extends KeepParts {
  readonly limits: UploadLimits;
  readonly probe: Probe;
}

export interface Uploads {
  /** Takes one multipart upload from first byte to catalogue. */
  receive(request: FastifyRequest): Promise<UploadResult>;
  readonly active: number;
  /** Ends the uploads that are under way with `shutting_down`, and refuses new ones. */
  shutDown(): void;
}

/** Beside the file: boundaries and text fields. */
const MULTIPART_OVERHEAD_BYTES = 10_000_000;
const FIELD_MAX_BYTES = 8_000_001;
const FIELDS_MAX = 20;
const STREAM_BYTES = 1024 * 1024;

/** Uploads by `multipart/form-data`: text fields first, then the file, hashed on the way to the disk. */
export function createUploads(parts: UploadParts): Uploads {
  const { store, limits } = parts;
  /** What is being uploaded now, by session, camera and part. */
  const underWay = new Set<string>();
  const stopping = new AbortController();
  let active = 0;

  const receiveFile = async (
    fields: UploadFields,
    file: Readable,
    request: FastifyRequest,
  ): Promise<UploadResult> => {
    const manifest = readManifest(fields);
    const sessionUid = fields.session_uid ?? manifest?.value.touchline?.session_uid;
    const key = `${sessionUid ?? fields.session_id}/${fields.camera_id}/${fields.part}`;
    if (underWay.has(key))
      throw new TouchlineError(
        'upload_in_progress',
        `part ${fields.part} of ${fields.camera_id} in ${fields.session_id} is being uploaded already`,
      );
    underWay.add(key);
    try {
      const began = performance.now();
      const draft = await whileSenderLives(request, file, stopping.signal, limits.timeoutMs, () =>
        store.receive(file, { ...limits, checkHead: assertMp4 }),
      );
      try {
        return await verifyAndKeep(parts, { fields, sessionUid, draft, manifest }, began);
      } catch (error) {
        await draft.discard();
        throw error;
      }
    } finally {
      underWay.delete(key);
    }
  };

  return {
    get active() {
      return active;
    },
    shutDown() {
      stopping.abort(new TouchlineError('shutting_down', 'the server is stopping; send the file again'));
    },
    async receive(request) {
      stopping.signal.throwIfAborted();
      if (!request.isMultipart())
        throw new TouchlineError('unsupported_media_type', 'an upload is multipart/form-data');
      await assertAnnouncedSizeFits(request, parts);
      active += 1;
      try {
        const texts: Record<string, string> = {};
        let result: UploadResult | undefined;
        const incoming = request.parts({
          limits: {
            fieldSize: FIELD_MAX_BYTES,
            fields: FIELDS_MAX,
            files: 1,
            fileSize: Number.POSITIVE_INFINITY,
          },
          fileHwm: STREAM_BYTES,
          highWaterMark: STREAM_BYTES,
        } as Parameters<FastifyRequest['parts']>[0]);
        for await (const part of incoming) {
          if (part.type === 'field') {
            if (part.valueTruncated)
              throw new TouchlineError('invalid_field', `${part.fieldname}: is longer than eight megabytes`, {
                field: part.fieldname,
              });
            texts[part.fieldname] = String(part.value);
          } else if (part.fieldname !== 'file')
            throw new TouchlineError(
              'invalid_field',
              `the file has to be named "file", not "${part.fieldname}"`,
              {
                field: 'file',
              },
            );
          else result = await receiveFile(readFields(texts), part.file, request);
        }
        if (!result) {
          readFields(texts);
          throw new TouchlineError('invalid_field', 'file: there is no file in the upload', {
            field: 'file',
          });
        }
        return result;
      } finally {
        active -= 1;
      }
    },
  };
}

async function verifyAndKeep(parts: UploadParts, upload: Verified, began: number): Promise<UploadResult> {
  const { fields, draft, manifest } = upload;
  if (draft.sha256 !== fields.checksum)
    throw new TouchlineError('checksum_mismatch', 'the bytes received are not those that were announced', {
      field: 'checksum',
      details: { announced: fields.checksum, received: draft.sha256, size_bytes: draft.sizeBytes },
    });
  const received = performance.now();
  const facts = await parts.probe(draft.path);
  if (manifest) assertManifestFits(manifest.value, facts, draft.sizeBytes);
  const probed = performance.now();
  const result = await keep(parts, upload);
  parts.log.info(
    {
      recording: result.recording_id,
      stored_as: result.stored_as,
      part: fields.part,
      size_bytes: draft.sizeBytes,
      receive_ms: Math.round(received - began),
      probe_ms: Math.round(probed - received),
      place_ms: Math.round(performance.now() - probed),
    },
    result.already_there ? 'a recording was there already' : 'a recording was stored',
  );
  return result;
}

/** Early, when the sender says how much is to come. */
async function assertAnnouncedSizeFits(
  request: FastifyRequest,
  { store, limits }: UploadParts,
): Promise<void> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > limits.maxBytes + MULTIPART_OVERHEAD_BYTES)
    throw new TouchlineError('payload_too_large', `a file may have ${limits.maxBytes} bytes`, {
      details: { max_bytes: limits.maxBytes },
    });
  const free = await store.freeBytes();
  if (free - announced < limits.minFreeBytes)
    throw new TouchlineError(
      'insufficient_storage',
      `${free} bytes are free, ${announced} would arrive, ${limits.minFreeBytes} have to stay free`,
      { details: { free_bytes: free, min_free_bytes: limits.minFreeBytes } },
    );
}

function readFields(texts: Record<string, string>): UploadFields {
  try {
    return parseOrThrow(UploadFields, texts, 'invalid_field', 'upload');
  } catch (error) {
    if (!(error instanceof TouchlineError) || Object.hasOwn(texts, error.field ?? '')) throw error;
    throw new TouchlineError(
      'invalid_field',
      `${error.message}; every text field has to come before the file`,
      { field: error.field, details: error.details, cause: error },
    );
  }
}

/** Parses the manifest and compares what can be compared before the file is there. */
function readManifest(fields: UploadFields): Verified['manifest'] {
  if (fields.manifest === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(fields.manifest);
  } catch (cause) {
    throw new TouchlineError('invalid_manifest', `the manifest is not JSON: ${(cause as Error).message}`, {
      field: 'manifest',
      cause,
    });
  }
  const value = parseOrThrow(Manifest, json, 'invalid_manifest', 'the manifest');
  assertSame('recording.session_id', value.recording.session_id, fields.session_id);
  assertSame('recording.camera_id', value.recording.camera_id, fields.camera_id);
  assertSame('checksum.value', value.checksum.value, fields.checksum);
  if (value.touchline) {
    assertSame('touchline.part', value.touchline.part, fields.part);
    if (fields.session_uid !== undefined)
      assertSame('touchline.session_uid', value.touchline.session_uid, fields.session_uid);
  }
  return { text: fields.manifest, value };
}

/** Every MP4 of ours begins with its type box (ISO 14496-12, 4.3). */
function assertMp4(head: Buffer): void {
  if (head.subarray(4, 8).toString('latin1') !== 'ftyp')
    throw new TouchlineError('not_mp4', 'the file does not begin as an MP4 does', { field: 'file' });
}

/** Ends the stream, and with it the work, when the sender goes away, takes too long, or the server stops. */
async function whileSenderLives<T>(
  request: FastifyRequest,
  file: Readable,
  stopping: AbortSignal,
  timeoutMs: number,
  work: () => Promise<T>,
): Promise<T> {
  const end = (why: Error): void => void file.destroy(why);
  const onStop = (): void => end(stopping.reason as Error);
  const onClose = (): void => {
    if (!request.raw.complete)
      end(new TouchlineError('peer_silent', 'the connection was lost before the whole file was there'));
  };
  const timer = setTimeout(
    () => end(new TouchlineError('peer_silent', `the upload took longer than ${timeoutMs / 1000} s`)),
    timeoutMs,
  );
  stopping.addEventListener('abort', onStop);
  request.raw.on('close', onClose);
  try {
    if (stopping.aborted) onStop();
    return await work();
  } finally {
    clearTimeout(timer);
    stopping.removeEventListener('abort', onStop);
    request.raw.off('close', onClose);
  }
}
