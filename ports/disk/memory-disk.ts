import { TouchlineError } from '#contracts/errors.ts';
import type { Disk, DiskFile } from './disk.ts';

/** A disk in memory with a capacity, for tests: it can fill up, vanish, become slow, and lose power. */
export interface MemoryDisk extends Disk {
  /** Unplugs the disk, or plugs it in again. */
  setPresent(present: boolean): void;
  /** Every append and sync waits for this before it happens. */
  setBrake(brake: (() => Promise<void>) | undefined): void;
  /** What a power cut leaves: only what was synced. */
  cutPower(): void;
}

interface Content {
  bytes: Buffer;
  syncedBytes: number;
}

export function memoryDisk(capacityBytes: number, root = '/memory'): MemoryDisk {
  const files = new Map<string, Content>();
  let present = true;
  let brake: (() => Promise<void>) | undefined;

  const used = (): number => [...files.values()].reduce((sum, file) => sum + file.bytes.length, 0);
  const check = (): void => {
    if (!present) throw new TouchlineError('disk_missing', `the disk ${root} is not there`);
  };
  const room = (bytes: number, what: string): void => {
    if (used() + bytes > capacityBytes)
      throw new TouchlineError('disk_full', `cannot write ${what}: no space left`);
  };
  const existing = (path: string): Content => {
    const content = files.get(path);
    if (!content) throw new TouchlineError('not_found', `cannot open ${path}: no such file`);
    return content;
  };

  const open = (path: string): DiskFile => {
    const content = existing(path);
    return {
      async append(bytes) {
        await brake?.();
        check();
        room(bytes.length, path);
        content.bytes = Buffer.concat([content.bytes, bytes]);
      },
      async sync() {
        await brake?.();
        check();
        content.syncedBytes = content.bytes.length;
      },
      async cut(sizeBytes) {
        check();
        content.bytes = content.bytes.subarray(0, sizeBytes);
        content.syncedBytes = Math.min(content.syncedBytes, sizeBytes);
      },
      async close() {
        check();
      },
    };
  };

  return {
    root,
    async space() {
      check();
      return { freeBytes: capacityBytes - used(), totalBytes: capacityBytes };
    },
    async open(path, how) {
      check();
      if (how === 'create') {
        if (files.has(path)) throw new TouchlineError('conflict', `cannot open ${path}: it exists`);
        files.set(path, { bytes: Buffer.alloc(0), syncedBytes: 0 });
      }
      return open(path);
    },
    async replace(path, text) {
      check();
      const bytes = Buffer.from(text);
      room(bytes.length, path);
      files.set(path, { bytes, syncedBytes: bytes.length });
    },
    async *read(path, from = 0, chunkBytes = 1024 * 1024) {
      check();
      const { bytes } = existing(path);
      for (let at = from; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
    },
    async list(folder) {
      check();
      return [...files]
        .filter(([path]) => path.startsWith(`${folder}/`))
        .map(([path, content]) => ({ path, sizeBytes: content.bytes.length }))
        .sort((a, b) => (a.path < b.path ? -1 : 1));
    },
    async remove(path) {
      check();
      files.delete(path);
    },
    setPresent(value) {
      present = value;
    },
    setBrake(value) {
      brake = value;
    },
    cutPower() {
      for (const content of files.values()) content.bytes = content.bytes.subarray(0, content.syncedBytes);
    },
  };
}
