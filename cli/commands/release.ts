import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { TouchlineError } from '#contracts/errors.ts';
import { Architecture, type ReleaseFile, ReleaseVersion } from '#contracts/release.ts';
import { keyId, newReleaseKey, readPrivateKey } from '#ota/format/keys.ts';
import { BILL_OF_MATERIALS_FILE, LICENCE_FILE } from '#ota/format/names.ts';
import { runUntilSignal } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/logger.ts';
import { SOFTWARE_VERSION } from '#runtime/version.ts';
import { type Shell, say } from '../shell.ts';

interface BuildOptions {
  out: string;
  key?: string[];
  version: string;
  counter?: number;
  expiresDays: number;
  minimumVersion: string;
  arch: Architecture[];
  json?: true;
}

const DAY_SEC = 86_400;

export function releaseCommand(shell: Shell): Command {
  return new Command('release')
    .summary('releases for nodes without balena: build, sign, serve')
    .addCommand(buildCommand(shell))
    .addCommand(keygenCommand(shell))
    .addCommand(serveCommand(shell));
}

function buildCommand(shell: Shell): Command {
  return new Command('build')
    .summary('a signed release, the same bytes each time')
    .description(
      'Makes a bundle for each processor (programs, pages, native packages, Node), a manifest, a bill of materials (CycloneDX), the\n' +
        'licences, and checksums that are signed with Ed25519. The time of everything is SOURCE_DATE_EPOCH, or that of the last commit.',
    )
    .requiredOption('--out <folder>', 'where the release is written')
    .option('--key <files...>', 'private keys to sign with; without one, nodes refuse the release')
    .option('--version <version>', `${SOFTWARE_VERSION}, or a pre-release of it`, SOFTWARE_VERSION)
    .option('--counter <n>', 'grows with every release; the time in seconds when left out', wholeNumber)
    .option('--expires-days <n>', 'days until nodes refuse to install it', wholeNumber, 365)
    .option('--minimum-version <version>', 'the oldest version it can be installed over', '0.0.0')
    .addOption(
      new Option('--arch <names...>', 'processors')
        .choices(Architecture.options)
        .default([...Architecture.options]),
    )
    .option('--json', 'one JSON object on stdout')
    .addHelpText('after', '\nExample:\n  ./touchline release build --out release --key club.key')
    .action((options: BuildOptions) => build(shell, options));
}

async function build(shell: Shell, options: BuildOptions): Promise<void> {
  const out = resolve(shell.cwd, options.out);
  const version = ownVersion(options.version);
  const keys = (options.key ?? []).map((file) => readPrivateKey(textOf(resolve(shell.cwd, file)), file));
  const releasedAtSec = sourceTime(shell);
  // Only what is run is loaded: rollup is not there on a device.
  const { assembleBundle, npmBill, readLock } = await import('../release/assemble.ts');
  const { billOfMaterials, licenceText, shippedPackages } = await import('../release/papers.ts');
  const { publishRelease, refuseOtherFiles } = await import('../release/publish.ts');
  if (existsSync(out)) refuseOtherFiles(out);

  const work = mkdtempSync(join(tmpdir(), 'touchline-release-'));
  try {
    const bundles = [];
    for (const architecture of options.arch) bundles.push(await assembleBundle(shell, work, architecture));
    const shipped = shippedPackages(
      readLock(shell),
      bundles.flatMap(({ packages }) => packages),
    );
    const licences = licenceText(textOf(join(shell.root, 'LICENSE')), shipped, [
      shell.root,
      ...bundles.map(({ installed }) => installed),
    ]);
    const bill = billOfMaterials(await npmBill(shell), shipped, { version, atSec: releasedAtSec });
    say(shell, 'touchline: packing …');
    for (const { folder } of bundles) writeFileSync(join(folder, LICENCE_FILE), licences);
    rmSync(out, { recursive: true, force: true });
    const files = await publishRelease(
      out,
      {
        version,
        counter: options.counter ?? releasedAtSec,
        releasedAtSec,
        expiresAtSec: releasedAtSec + options.expiresDays * DAY_SEC,
        minimumVersion: releaseVersion(options.minimumVersion),
      },
      {
        bundles,
        documents: [
          { name: BILL_OF_MATERIALS_FILE, text: bill },
          { name: LICENCE_FILE, text: licences },
        ],
        keys,
      },
    );
    tell(shell, { out, version, files, signedBy: keys.map(keyId), json: options.json === true });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function tell(
  shell: Shell,
  made: { out: string; version: string; files: ReleaseFile[]; signedBy: string[]; json: boolean },
): void {
  const { json, ...result } = made;
  if (json) {
    shell.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  const rows = made.files.map(
    ({ name, sha256, size_bytes }) => `${sha256}  ${(size_bytes / 1e6).toFixed(2).padStart(7)} MB  ${name}\n`,
  );
  shell.stdout.write(rows.join(''));
  say(
    shell,
    made.signedBy.length > 0
      ? `touchline: release ${made.version} in ${made.out}, signed by ${made.signedBy.join(', ')}`
      : `touchline: release ${made.version} in ${made.out} is NOT signed: nodes refuse it. Give --key`,
  );
}

function keygenCommand(shell: Shell): Command {
  return new Command('keygen')
    .summary('a key to sign releases with')
    .description(
      'Writes a new Ed25519 private key to FILE, for its owner alone, and prints the public line that the nodes are given. Keep the file\n' +
        'off the nodes and off the release server.',
    )
    .argument('<file>', 'where the private key is written; must not exist')
    .action((file: string) => {
      const { privatePem, publicLine } = newReleaseKey();
      const path = resolve(shell.cwd, file);
      try {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, privatePem, { mode: 0o600, flag: 'wx' });
      } catch (cause) {
        throw new TouchlineError('invalid_field', `${file}: ${(cause as Error).message}`, {
          field: 'file',
          remedy: 'Give the path of a file that does not exist yet; a key is never written over.',
          cause,
        });
      }
      shell.stdout.write(`${publicLine}\n`);
      say(
        shell,
        `touchline: private key ${keyId(readPrivateKey(privatePem, file))} in ${file}; the line above is public`,
      );
    });
}

function serveCommand(shell: Shell): Command {
  return new Command('serve')
    .summary('offer releases to the nodes of a network without internet')
    .description(
      "Serves a folder of releases in the shape of GitHub's REST, until it is interrupted. What the nodes trust are the signatures, not this\n" +
        'server.',
    )
    .requiredOption('--dir <folder>', 'a release, or a folder of releases')
    .option('--port <n>', 'HTTP port', wholeNumber, 8082)
    .option('--host <address>', 'where it listens; 0.0.0.0 for all networks', '127.0.0.1')
    .action(async ({ dir, port, host }: { dir: string; port: number; host: string }) => {
      const folder = resolve(shell.cwd, dir);
      if (!existsSync(folder))
        throw new TouchlineError('not_found', `there is no folder ${dir}`, { field: '--dir' });
      const { createReleaseServer } = await import('../release/serve.ts');
      const log = createLogger({ name: 'release', level: 'warn' });
      const server = createReleaseServer({ folder, host, port, log });
      await runUntilSignal(
        {
          ...server,
          async start(signal) {
            await server.start(signal);
            say(shell, `touchline: releases at ${server.address()}/repos/touchline/touchline`);
          },
        },
        log,
      );
    });
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

/** The programs say the version of package.json: a release that calls itself otherwise is not recognised once it runs. */
function ownVersion(text: string): string {
  const version = releaseVersion(text);
  if (version !== SOFTWARE_VERSION && !version.startsWith(`${SOFTWARE_VERSION}-`))
    throw new TouchlineError(
      'invalid_field',
      `the programs are version ${SOFTWARE_VERSION}, not ${version}`,
      {
        field: '--version',
        remedy: `Change the version in package.json, or give a pre-release such as ${SOFTWARE_VERSION}-rc.1.`,
      },
    );
  return version;
}

function releaseVersion(text: string): string {
  const parsed = ReleaseVersion.safeParse(text);
  if (!parsed.success)
    throw new TouchlineError('invalid_field', `"${text}": ${parsed.error.issues[0]?.message}`, {
      field: 'version',
    });
  return parsed.data;
}

/** Seconds since 1970. https://reproducible-builds.org/specs/source-date-epoch/ */
function sourceTime(shell: Shell): number {
  const given = shell.env.SOURCE_DATE_EPOCH ?? ofLastCommit(shell.root);
  if (given !== undefined && /^\d{1,11}$/.test(given)) return Number(given);
  throw new TouchlineError(
    'invalid_field',
    given === undefined
      ? 'the time of the release is unknown: this folder is no git checkout'
      : `SOURCE_DATE_EPOCH: "${given}" is no number of seconds`,
    {
      field: 'SOURCE_DATE_EPOCH',
      remedy: 'Set SOURCE_DATE_EPOCH to seconds since 1970, such as $(date +%s).',
    },
  );
}

function ofLastCommit(root: string): string | undefined {
  try {
    return execFileSync('git', ['-C', root, 'log', '-1', '--format=%ct'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new TouchlineError('not_found', `${file} cannot be read`, { field: file, cause });
  }
}
