/** Boxes of ISO/IEC 14496-12: `size (4) type (4) [largesize (8)] payload`. */

export interface Box {
  readonly type: string;
  /** The whole box, header included. */
  readonly bytes: Uint8Array;
}

/** Larger than any fragment of 0.2 s can be; a box that claims more is not ours. */
const LARGEST_BOX_BYTES = 256 * 1024 * 1024;

const ascii = (bytes: Uint8Array, at: number): string =>
  String.fromCharCode(bytes[at] ?? 0, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0, bytes[at + 3] ?? 0);

/** Big-endian view of a byte range. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Size and type of the box that begins at `at`; undefined when fewer than its header's bytes are there. */
export function boxHeader(
  bytes: Uint8Array,
  at: number,
): { size: number; type: string; headerSize: number } | undefined {
  if (bytes.length - at < 8) return undefined;
  const view = viewOf(bytes);
  const size = view.getUint32(at);
  const type = ascii(bytes, at + 4);
  if (size !== 1) return { size, type, headerSize: 8 };
  if (bytes.length - at < 16) return undefined;
  return { size: Number(view.getBigUint64(at + 8)), type, headerSize: 16 };
}

/**
 * Cuts a byte stream into its top-level boxes. `push` gives those that are complete; what is left waits for more.
 * Its result is to be iterated before the next push: boxes before the damage come out, then comes the `RangeError` for bytes that
 * cannot be a box, and again at each later push.
 */
export function boxReader(): { push(chunk: Uint8Array): Iterable<Box>; readonly pendingBytes: number } {
  let chunks: Uint8Array[] = [];
  let pending = 0;
  let needed = 8;
  let damage: RangeError | undefined;
  return {
    get pendingBytes() {
      return pending;
    },
    *push(chunk) {
      if (damage) throw damage;
      chunks.push(chunk);
      pending += chunk.length;
      if (pending < needed) return;
      const bytes = joined(chunks, pending);
      chunks = [bytes];
      for (;;) {
        const rest = chunks[0] ?? bytes;
        const next = boxHeader(rest, 0);
        needed = next ? next.size : 8;
        if (next && (next.size < next.headerSize || next.size > LARGEST_BOX_BYTES)) {
          damage = new RangeError(`a box "${next.type}" of ${next.size} bytes cannot be part of a recording`);
          throw damage;
        }
        if (!next || rest.length < next.size) return;
        chunks = [rest.subarray(next.size)];
        pending -= next.size;
        yield { type: next.type, bytes: rest.subarray(0, next.size) };
      }
    },
  };
}

/** Boxes inside a container box or a stretch of bytes, `skip` bytes after its beginning. */
export function children(bytes: Uint8Array, skip: number): Box[] {
  const boxes: Box[] = [];
  for (let at = skip; ; ) {
    const next = boxHeader(bytes, at);
    if (!next || next.size < next.headerSize || at + next.size > bytes.length) return boxes;
    boxes.push({ type: next.type, bytes: bytes.subarray(at, at + next.size) });
    at += next.size;
  }
}

/** The first box along a path of container boxes, such as `moov`, `trak`, `mdia`. */
export function find(box: Box | undefined, ...path: string[]): Box | undefined {
  let current = box;
  for (const type of path)
    current = current && children(current.bytes, 8).find((child) => child.type === type);
  return current;
}

function joined(chunks: Uint8Array[], size: number): Uint8Array {
  const [only] = chunks;
  if (chunks.length === 1 && only) return only;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
