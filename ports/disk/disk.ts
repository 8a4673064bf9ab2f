/**
 * The disk recordings are written to. Paths are relative to its root, made from validated names. Failures are
 * `disk_missing` (not there, read-only), `disk_full`, or `disk_failed` with the cause.
 */
export interface Disk {
  readonly root: string;
  space(): Promise<{ freeBytes: number; totalBytes: number }>;
  /** `create`: a new file, its folders made, refused when it exists. Otherwise an existing one, written at its end. */
  open(path: string, how: 'create' | 'existing'): Promise<DiskFile>;
  /** Writes a small file whole: a reader, and a power cut, see the old or the new one and nothing between. */
  replace(path: string, text: string): Promise<void>;
  /** The bytes in chunks, of 1 MiB unless told otherwise; only what is iterated over is read. Throws `not_found`. */
  read(path: string, from?: number, chunkBytes?: number): AsyncIterable<Buffer>;
  /** Files below a folder, recursively, in order of path; none when the folder is not there, and no half replacements. */
  list(folder: string): Promise<DiskEntry[]>;
  /**
   * Removes a file, and the folders that are empty without it (those right below the root stay), and syncs what is left of its
   * path. A file that is not there is no error, and its empty folders go all the same.
   */
  remove(path: string): Promise<void>;
}

export interface DiskEntry {
  readonly path: string;
  readonly sizeBytes: number;
}

export interface DiskFile {
  /** All of the bytes, or none of them when it fails. One append at a time. */
  append(bytes: Uint8Array): Promise<void>;
  /** Returns once everything appended so far would survive a power cut. */
  sync(): Promise<void>;
  /** Shortens the file. */
  cut(sizeBytes: number): Promise<void>;
  close(): Promise<void>;
}

/** A small file as text; undefined when it is not there. */
export async function readText(disk: Disk, path: string): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of disk.read(path)) chunks.push(chunk);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'not_found') return undefined;
    throw error;
  }
  return Buffer.concat(chunks).toString('utf8');
}
