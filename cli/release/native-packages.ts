import type { Architecture } from '#contracts/release.ts';

/** An entry of `package-lock.json`, version 3, as far as it matters here. */
export interface LockEntry {
  readonly version?: string;
  readonly os?: string | readonly string[];
  readonly cpu?: string | readonly string[];
  readonly libc?: string | readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
export interface LockFile {
  readonly lockfileVersion: number;
  readonly packages: Readonly<Record<string, LockEntry>>;
}

/** What cannot be bundled, see `rollup.config.mjs`. */
export const NATIVE = ['classic-level', 'koffi', 'serialport'] as const;

/** npm's name of each processor. */
export const NPM_CPU = { arm64: 'arm64', amd64: 'x64' } as const satisfies Record<Architecture, string>;

export function nodePackage(architecture: Architecture): string {
  return `node-linux-${NPM_CPU[architecture]}`;
}

/**
 * What npm needs to install the native packages and Node itself for another machine, and nothing else: a `package.json`, and the part of
 * the lock file that they reach, with its checksums. `wanted` is for tests.
 */
export function nativeLock(
  lock: LockFile,
  architecture: Architecture,
  wanted: readonly string[] = [...NATIVE, nodePackage(architecture)],
): { manifest: Record<string, unknown>; lock: LockFile } {
  const packages: Record<string, LockEntry> = {};
  const add = (path: string): void => {
    const entry = lock.packages[path];
    if (entry === undefined || path in packages) return;
    // npm wants an entry for each optional package that is named, of whatever platform.
    const optional = Object.entries(entry.optionalDependencies ?? {}).filter(([name]) =>
      isFor(lock.packages[resolved(lock, path, name, false)], architecture),
    );
    packages[path] = { ...entry, optionalDependencies: Object.fromEntries(optional) };
    for (const name of Object.keys(entry.dependencies ?? {})) add(resolved(lock, path, name, true));
    for (const [name] of optional) add(resolved(lock, path, name, true));
  };
  for (const name of wanted) add(resolved(lock, '', name, true));
  const versions = (platform: boolean): Record<string, string> =>
    Object.fromEntries(
      wanted.flatMap((name) => {
        const { version = '', cpu } = lock.packages[`node_modules/${name}`] ?? {};
        return (cpu !== undefined) === platform ? [[name, version]] : [];
      }),
    );
  const manifest = {
    name: 'touchline-native',
    version: '0.0.0',
    private: true,
    dependencies: versions(false),
    // npm takes what is for another platform than its own only where it may be left out, too.
    optionalDependencies: versions(true),
  };
  return {
    manifest,
    lock: {
      ...manifest,
      lockfileVersion: lock.lockfileVersion,
      requires: true,
      packages: { '': manifest, ...packages },
    } as LockFile,
  };
}

/** Where a package finds another, from the inside out as Node looks for it. */
function resolved(lock: LockFile, from: string, name: string, needed: boolean): string {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const path = at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`;
    if (path in lock.packages) return path;
    if (at === '') break;
  }
  if (needed) throw new Error(`package-lock.json: ${from || 'the root'} needs ${name}, which has no entry`);
  return '';
}

function isFor(entry: LockEntry | undefined, architecture: Architecture): boolean {
  if (entry === undefined) return false;
  const takes = (listed: string | readonly string[] | undefined, value: string): boolean =>
    listed === undefined || [listed].flat().includes(value);
  return takes(entry.os, 'linux') && takes(entry.cpu, NPM_CPU[architecture]) && takes(entry.libc, 'glibc');
}

/** Folders without anything that runs: what a package is compiled from, Node's own headers and manuals. */
const SOURCES =
  /^node_modules\/(koffi\/(doc|lib|vendor)|classic-level\/deps|@serialport\/bindings-cpp\/src|node-addon-api|napi-macros|node-linux-[^/]+\/(include|share))\//;

/**
 * Whether a file of an installed package is needed to run it on a machine: not what is for other platforms, what it was built from, or what
 * is read by people and compilers. `path`: from the root of the installation.
 */
export function isNeeded(path: string, architecture: Architecture): boolean {
  if (path.includes('/.bin/') || /(^|\/)\.package-lock\.json$/.test(path) || /\/musl|\.musl\./.test(path))
    return false;
  const prebuilt = /\/prebuilds\/([^/]+)\//.exec(path)?.[1];
  if (prebuilt !== undefined) return prebuilt === `linux-${NPM_CPU[architecture]}`;
  return !SOURCES.test(path) && !/\.(md|markdown|ts|mts|cts|map|gypi?|c|cc|cpp|h|hh|inc|asm|S)$/.test(path);
}
