import { existsSync, globSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { TouchlineError } from '#contracts/errors.ts';
import { builtBundles, builtPages } from '../bundles.ts';
import { notices, showLive } from '../demo/live.ts';
import { type DemoResult, recordOnce } from '../demo/once.ts';
import { outcome } from '../demo/panorama.ts';
import { type DemoPlace, makePlace } from '../demo/place.ts';
import { readSources } from '../demo/sources.ts';
import { type DemoSystem, demoSystem } from '../demo/system.ts';
import type { Snapshot } from '../demo/view.ts';
import { onInterrupt } from '../interrupt.ts';
import { ensurePrograms, NEEDS } from '../prerequisites.ts';
import { type Shell, say } from '../shell.ts';
import { collected } from './config-options.ts';

const DEFAULT_SECONDS = 20;

interface Options {
  once?: true;
  seconds?: number;
  json?: true;
  out?: string;
  source?: string[];
  bundles?: true;
}

export function demoCommand(shell: Shell): Command {
  return new Command('demo')
    .summary('three simulated cameras and a central server on this machine')
    .description(
      'Starts three camera nodes (moving test pictures, or video files) and a central server on free loopback ports,\n' +
        'and shows them live. Nothing outside the demo directory and nothing on the network is touched.',
    )
    .option('--once', 'record, bring the files home, stitch, print what came of it, and end')
    .option('--seconds <n>', 'with --once: how long to record (default: 20)', seconds)
    .option('--json', 'with --once: one JSON object on stdout, and nothing else')
    .option(
      '--out <dir>',
      'demo directory, also one of before, which is opened again; a temporary one when left out',
    )
    .option('--source <camera=file>', 'a video file instead of the test picture; may be repeated', collected)
    .option('--bundles', 'run the built bundles, one process per service, as on a device')
    .addHelpText('after', HELP)
    .action((options: Options) => demo(shell, options));
}

async function demo(shell: Shell, options: Options): Promise<void> {
  if (options.json && !options.once)
    throw new TouchlineError('invalid_field', '--json needs --once: the live view has no end', {
      field: 'json',
    });
  if (options.seconds !== undefined && !options.once)
    throw new TouchlineError(
      'invalid_field',
      '--seconds needs --once: the live view records until you stop it',
      {
        field: 'seconds',
      },
    );
  if (options.out === '')
    throw new TouchlineError('invalid_field', '--out is empty: name a directory', { field: 'out' });
  const interrupt = onInterrupt(shell);
  try {
    await ensurePrograms(shell, NEEDS.demo);
    const sources = await readSources(options.source ?? [], shell.cwd, interrupt.signal);
    const bundles = options.bundles ? await builtBundles(shell) : undefined;
    if (bundles === undefined) await builtPages(shell);
    interrupt.signal.throwIfAborted();
    const out = options.out === undefined ? undefined : resolve(shell.cwd, options.out);
    const place = await makePlace({ out, sources });
    const interactive = !options.once && shell.stdout.isTTY === true;
    const told = notices(interactive ? undefined : (line) => say(shell, line));
    const system = demoSystem(shell, place, bundles, told.add);
    let result: DemoResult | undefined;
    let seen: Snapshot | undefined;
    let failed = false;
    try {
      system.start();
      if (options.once)
        result = await recordOnce(system, options.seconds ?? DEFAULT_SECONDS, interrupt.signal, (line) =>
          say(shell, line),
        );
      else seen = await showLive(shell, system, told, interrupt.signal);
    } catch (error) {
      interrupt.signal.throwIfAborted();
      failed = true;
      throw error;
    } finally {
      say(shell, 'stopping …');
      // A rig that was left recording would go on as soon as this directory is used again.
      await endRecording(system);
      await system.stop();
      // The logs tell what failed.
      if (out === undefined && !failed) forgetWhenEmpty(place);
      const lines = seen?.sessions.flatMap((session) => outcome(session, place.directory)) ?? [];
      if (existsSync(place.directory)) lines.push(`Files and logs: ${place.directory}`);
      for (const line of lines) say(shell, line);
    }
    if (result !== undefined)
      shell.stdout.write(options.json ? `${JSON.stringify(result)}\n` : summary(result));
  } finally {
    interrupt.dispose();
  }
}

/** Stops the rig when it records; a rig that does not, or no longer answers, is left as it is. */
async function endRecording(system: DemoSystem): Promise<void> {
  try {
    const { session } = await system.master.rig(AbortSignal.timeout(2000));
    if (session?.state === 'recording') await system.master.stop({}, AbortSignal.timeout(5000));
  } catch (error) {
    const gone = error instanceof Error && (error.name === 'TimeoutError' || error instanceof TouchlineError);
    if (!gone) throw error;
  }
}

/** A temporary demo in which nothing was recorded leaves nothing behind. */
function forgetWhenEmpty({ directory }: DemoPlace): void {
  const recorded = globSync('nodes/*/recordings/**/*.mp4', { cwd: directory }).length > 0;
  if (!recorded) rmSync(directory, { recursive: true, force: true });
}

function summary(result: DemoResult): string {
  const { panorama, recordings, start_skew_ms, timings } = result;
  const skew = start_skew_ms === null ? 'unknown' : `${start_skew_ms} ms`;
  return [
    `${result.session_id}`,
    ...recordings.map(
      ({ camera_id, duration_sec, frames, dropped_frames, offloaded, file }) =>
        `  ${camera_id}  ${duration_sec.toFixed(2)} s  ${frames} frames  ${dropped_frames} dropped  ${offloaded ? 'offloaded' : 'not offloaded'}  ${file}`,
    ),
    `  panorama ${panorama.width}x${panorama.height}  ${panorama.duration_sec.toFixed(2)} s  ${calibrationWords(panorama)}`,
    `    ${panorama.file}`,
    `  first frames after the agreed start: spread ${skew}`,
    `  ${Object.entries(timings)
      .map(([name, value]) => `${name.replace(/_sec$/, '').replaceAll('_', ' ')} ${value} s`)
      .join(', ')}`,
    '',
  ].join('\n');
}

function calibrationWords(panorama: DemoResult['panorama']): string {
  if (panorama.calibrated) return `calibrated (${panorama.calibration_rms_px?.toFixed(2)} px rms)`;
  return `side by side, not calibrated: ${panorama.calibration_reason ?? 'no reason given'}`;
}

function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 1 || value > 10_800)
    throw new InvalidArgumentError('must be a number from 1 to 10800.');
  return value;
}

const HELP = `
Examples:
  ./touchline demo                                        live; s starts, x stops, q quits
  ./touchline demo --once --seconds 20                    the whole way, once
  ./touchline demo --once --json --out /tmp/d > r.json    for scripts
  ./touchline demo --source CAM_L=left.mp4 --source CAM_C=center.mp4 --source CAM_R=right.mp4

The directory holds nodes/CAM_L/… (what is on a camera), central/… (what is on the server), config/ and logs/.`;
