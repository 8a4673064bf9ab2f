import { Command } from 'commander';
import { TouchlineError } from '#contracts/errors.ts';
import { compareSession, type Witness } from '#domain/alignment/compare.ts';
import { onInterrupt } from '../interrupt.ts';
import { type Shell, say } from '../shell.ts';
import { compareTracks, type Track } from '../verify/alike.ts';
import { examine } from '../verify/examine.ts';
import { findSession } from '../verify/find-session.ts';
import { asJson, asText, exitCodeOf, type Report } from '../verify/report.ts';

interface VerifyOptions {
  storage: string[];
  apart: number;
  json?: true;
}

/** Distance between the outer cameras of a wide mast. */
const APART_M = 2;

export function verifyCommand(shell: Shell): Command {
  return new Command('verify')
    .summary('whether the cameras of a session were really in step')
    .description(
      'Reads the recordings of a session and compares what their clocks claim with what they show: the clock burned into the pictures of a\n' +
        'test pattern, the start beep in the sound, and what the microphones heard alike. Exit code 0: they agree; 1: they do not, or something is missing or broken; 2: nothing in\n' +
        'the recording proves it.',
    )
    .argument('<session>', "its folder on a node's or central's storage, or its name")
    .option(
      '--storage <folder>',
      'where nodes or central keep recordings; as often as needed',
      (folder: string, before: string[]) => [...before, folder],
      [],
    )
    .option('--apart <metres>', 'how far apart the microphones are at most', metres, APART_M)
    .option('--json', 'one JSON object on stdout')
    .addHelpText(
      'after',
      '\nExample:\n  ./touchline verify CUP-FINAL --storage /mnt/nvme --storage /srv/touchline',
    )
    .action(async (asked: string, { storage, apart, json }: VerifyOptions) => {
      const interrupt = onInterrupt(shell);
      try {
        const session = await findSession(asked, storage, shell.cwd);
        const problems = [...session.problems];
        const witnesses: Witness[] = [];
        const tracks: Track[] = [];
        for (const file of session.files) {
          say(shell, `touchline: reading ${file.videoPath} …`);
          const examined = await examine(file, interrupt.signal);
          problems.push(...examined.problems);
          if (!examined.witness) continue;
          witnesses.push(examined.witness);
          if (examined.hasSound) tracks.push({ path: file.videoPath, witness: examined.witness });
        }
        const alignment = compareSession(witnesses, {
          apartM: apart,
          alike: await compareTracks(tracks, interrupt.signal),
        });
        const report: Report = { session, witnesses, problems, alignment };
        shell.stdout.write(json ? `${JSON.stringify(asJson(report), undefined, 2)}\n` : asText(report));
        shell.exit(exitCodeOf(report));
      } finally {
        interrupt.dispose();
      }
    });
}

function metres(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1000))
    throw new TouchlineError('invalid_field', `--apart ${text} is not a distance in metres, such as 2`, {
      field: 'apart',
    });
  return value;
}
