export interface LockFile {
  readonly packages: Record<string, LockEntry>;
}

interface LockEntry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const EXACT_VERSION = /^\d+\.\d+\.\d+(-[\w.]+)?$/;
const OS = /\b(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)\b/;
const CPU = /\b(arm64|arm|ia32|loong64|mips64el|ppc64|riscv64|s390x|x64)\b/;

/** The lock file with an entry for each optional package of each platform, and the paths of those that were added. */
export function completed(lock: LockFile): { lock: LockFile; added: string[] } {
  const packages = { ...lock.packages };
  const added: string[] = [];
  for (const [path, entry] of Object.entries(lock.packages))
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (isThere(packages, path, name)) continue;
      const [os, cpu] = [OS.exec(name)?.[1], CPU.exec(name)?.[1]];
      if (!EXACT_VERSION.test(version) || os === undefined || cpu === undefined)
        throw new Error(`${name}@${version} of ${path}: its platform cannot be told from its name`);
      const libc = name.includes('musl') ? 'musl' : name.includes('-gnu') ? 'glibc' : undefined;
      // Beside its siblings of the same version: at the top when that place is free, as npm would put it.
      const place =
        packages[`node_modules/${name}`] === undefined
          ? `node_modules/${name}`
          : `${path}/node_modules/${name}`;
      packages[place] = {
        version,
        cpu: [cpu],
        ...(entry.dev ? { dev: true } : {}),
        ...(os === 'linux' && libc !== undefined ? { libc: [libc] } : {}),
        optional: true,
        os: [os],
      };
      added.push(place);
    }
  const sorted = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, 'en')));
  return { lock: { ...lock, packages: sorted }, added };
}

/** Whether `name` is found from `path` as Node looks for it: in its own node_modules, then outwards. */
function isThere(packages: Record<string, unknown>, path: string, name: string): boolean {
  for (let folder = path; ; folder = folder.slice(0, folder.lastIndexOf('/node_modules/'))) {
    if (packages[folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`] !== undefined)
      return true;
    if (!folder.includes('/node_modules/'))
      return folder !== '' && packages[`node_modules/${name}`] !== undefined;
  }
}
