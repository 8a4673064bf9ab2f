import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { TouchlineError } from '#contracts/errors.ts';
import { onInterrupt } from '../interrupt.ts';
import { ensurePrograms, NEEDS } from '../prerequisites.ts';
import { type Shell, say } from '../shell.ts';

/** Every lab: a program `test/lab/NAME.ts` that knows itself how often CI wants it, and the figures of its one line. */
export const LABS = {
  powercut: {
    about: 'a node records, the power fails: what plays, what is lost, what the manifests say',
    figures: ['rounds', 'playable', 'max_lost_sec', 'manifests_wrong'],
  },
  sound: {
    about: 'a node sounds the start beep through an ALSA card and hears itself: where it is in the track',
    figures: ['beep_heard', 'beep_told', 'beep_off_ms', 'sounded_after_start_ms', 'picture_off_ms'],
  },
  clocks: {
    about: 'three kernels keep time: one clock 37 s off, one set by hand, the master killed',
    figures: ['max_error_ms', 'p99_error_ms', 'ci95_coverage', 'bound_coverage', 'reference_noise_ms'],
  },
  faults: {
    about: 'processes of nodes that record are killed at random: what is corrupt, which gaps are noted',
    figures: [
      'rounds',
      'corrupt_files',
      'wrong_manifests',
      'unnoted_gaps',
      'phantom_gaps',
      'max_restart_sec',
    ],
  },
  battery: {
    about: 'batteries on I2C, in the kernel and on a serial line: values, jumps, garbage, silence',
    figures: [
      'readings',
      'misread',
      'garbage_believed',
      'jumps_believed',
      'unknown_after_sec',
      'back_after_sec',
    ],
  },
  wifi: {
    about: 'NetworkManager on virtual radios: join, wrong key, hidden network, access point, roll back',
    figures: ['adapter_checks'],
  },
  discovery: {
    about:
      'three kernels find each other by multicast DNS: two say the same name, one stops, one loses power',
    figures: ['found_after_sec', 'conflict_named', 'goodbye_sec', 'vanished_sec'],
  },
  camera: {
    about: '4K at 30 fps from V4L2: raw, and as a node records it; libcamera',
    figures: ['raw_fps', 'libcamera_frames', 'recorded', 'recorded_frames', 'frames_lost'],
  },
  gpio: {
    about: 'button, LED and beeper of a node on simulated GPIO chips; broker and sync-agent are killed',
    figures: [
      'presses',
      'starts',
      'stops',
      'moments',
      'states_seen',
      'max_fault_shown_sec',
      'conformance_claims',
      'misread',
    ],
  },
  flashed: {
    about: 'containers of a node look for their configuration on the disk that was flashed for it',
    figures: ['containers_told', 'containers'],
  },
  containers: {
    about:
      'images of both stacks are built; two nodes record in containers and central stitches; sizes and memory',
    figures: [
      'healthy',
      'fleet_image_mib',
      'update_mib',
      'update_packed_mib',
      'idle_mib',
      'recording_mib',
      'offloaded',
      'panorama_width',
    ],
  },
} as const satisfies Record<string, { about: string; figures: readonly string[] }>;
export type LabName = keyof typeof LABS;

/** What a lab prints; its own figures beside. */
interface LabReport {
  readonly ok: boolean;
  readonly seconds: number;
  readonly failures: readonly string[];
  readonly [figure: string]: unknown;
}

interface Options {
  rounds?: string;
  seed?: string;
  json?: true;
}

export function labCommand(shell: Shell): Command {
  const names = Object.keys(LABS) as LabName[];
  const width = Math.max(...names.map((name) => name.length));
  return new Command('lab')
    .summary('what needs real kernel interfaces')
    .description(
      'Runs the product against real kernel interfaces, in virtual machines that need no special hardware. As root.\n' +
        'The first time the machines are made from Debian packages, which takes minutes, or half an hour when their\n' +
        'kernel has to be built too. See docs/lab.md.',
    )
    .argument('[names...]', 'which ones; left out: all')
    .option('--rounds <n>', 'how often, where chance is part of it', wholeNumber)
    .option('--seed <n>', 'repeat the run that printed this seed', wholeNumber)
    .option('--json', 'one JSON object with the figures on stdout')
    .addHelpText(
      'after',
      `\nLabs:\n${names.map((name) => `  ${name.padEnd(width)}  ${LABS[name].about}`).join('\n')}`,
    )
    .action(async (wanted: string[], options: Options) => {
      const unknown = wanted.find((each) => !(each in LABS));
      if (unknown !== undefined)
        throw new TouchlineError('not_found', `no lab is called ${unknown}; there are: ${names.join(', ')}`, {
          remedy: '`./touchline lab` runs all of them.',
        });
      const chosen = wanted.length === 0 ? names : (wanted as LabName[]);
      if (!shell.superuser)
        throw new TouchlineError(
          'configuration_invalid',
          'the lab needs root: its machines get disks and networks',
          {
            remedy: 'Type: sudo ./touchline lab',
          },
        );
      await ensurePrograms(shell, NEEDS.lab);
      const interrupt = onInterrupt(shell);
      try {
        const reports: Record<string, LabReport | null> = {};
        for (const each of chosen) {
          const report = await runLab(shell, each, options, interrupt.signal);
          interrupt.signal.throwIfAborted();
          reports[each] = report ?? null;
          if (report?.ok !== true) shell.exit(1);
          if (!options.json) shell.stdout.write(`${lineOf(each, report, width)}\n`);
        }
        if (options.json)
          shell.stdout.write(
            `${JSON.stringify(wanted.length === 1 ? Object.values(reports)[0] : { labs: reports })}\n`,
          );
      } finally {
        interrupt.dispose();
      }
    });
}

/** Runs a lab's program; what it tells people goes to stderr. Undefined when it broke before it could say what came of it. */
async function runLab(
  shell: Shell,
  name: LabName,
  options: Options,
  signal: AbortSignal,
): Promise<LabReport | undefined> {
  const given = (['rounds', 'seed'] as const).flatMap((key) => {
    const value = options[key];
    return value === undefined ? [] : [`--${key}`, value];
  });
  const child = spawn(shell.node, [join(shell.root, 'test/lab', `${name}.ts`), '--json', ...given], {
    cwd: shell.root,
    env: { ...shell.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // It takes its machines and its folder away before it ends.
  const end = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', end, { once: true });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  child.stderr.on('data', (chunk: Buffer) => shell.stderr.write(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  signal.removeEventListener('abort', end);
  if (signal.aborted) return undefined;
  try {
    return JSON.parse(printed) as LabReport;
  } catch {
    say(shell, `touchline: the lab ${name} broke (exit code ${code}); it said why above`);
    return undefined;
  }
}

function lineOf(name: LabName, report: LabReport | undefined, width: number): string {
  if (!report) return `${name.padEnd(width)}  BROKEN`;
  const figures = LABS[name].figures.map((key) => `${key} ${report[key]}`).join(', ');
  const failed =
    report.failures.length === 0
      ? ''
      : `; ${report.failures.length} failures, the first: ${report.failures[0]}`;
  return `${name.padEnd(width)}  ${report.ok ? 'ok    ' : 'FAILED'}  ${figures} (${Math.round(report.seconds)} s)${failed}`;
}

function wholeNumber(text: string): string {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 31)
    throw new InvalidArgumentError('must be a whole number.');
  return text;
}
