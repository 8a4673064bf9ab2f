/**
 * Every change that an installation makes to a file system goes through this, one call for each thing that a power cut can come
 * before or after. Paths are absolute. Failures are `disk_full`, or `disk_failed` with the cause.
 */
export interface InstallDisk {
  /** With its parents; no error when it is there. */
  makeFolder(path: string): Promise<void>;
  /** `create`: an empty file, also in the place of an old one. `append`: written at its end. */
  open(path: string, how: 'create' | 'append', executable?: boolean): Promise<InstallFile>;
  /** A symbolic link that says `target`; refused when `path` exists. */
  link(target: string, path: string): Promise<void>;
  /** Atomically, also in the place of another file or link. */
  rename(from: string, to: string): Promise<void>;
  /** With all that is in it; no error when it is not there. Not atomic. */
  remove(path: string): Promise<void>;
  /** Until then the names that were made, moved or removed in a folder may be as before after a power cut. */
  syncFolder(path: string): Promise<void>;
}

export interface InstallFile {
  append(bytes: Uint8Array): Promise<void>;
  /** Until then what was appended may be missing after a power cut, even where the name is there. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Writes a small file whole: whoever reads, and a power cut, see the old or the new one. */
export async function replaceText(
  disk: InstallDisk,
  folder: string,
  name: string,
  text: string,
): Promise<void> {
  const path = `${folder}/${name}`;
  const file = await disk.open(`${path}.new`, 'create');
  try {
    await file.append(Buffer.from(text));
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(`${path}.new`, path);
  await disk.syncFolder(folder);
}
