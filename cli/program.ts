import { Command, CommanderError } from 'commander';
import { SOFTWARE_VERSION } from '#runtime/version.ts';
import { buildCommand } from './commands/build.ts';
import { checkCommand } from './commands/check.ts';
import { configCommand } from './commands/config.ts';
import { demoCommand } from './commands/demo.ts';
import { exerciseCommand } from './commands/exercise.ts';
import { imageCommand } from './commands/image.ts';
import { labCommand } from './commands/lab.ts';
import { releaseCommand } from './commands/release.ts';
import { rigCommand } from './commands/rig.ts';
import { nodeCommand, serverCommand } from './commands/service.ts';
import { testCommand } from './commands/test.ts';
import { verifyCommand } from './commands/verify.ts';
import { EXIT_CODES, Interrupted } from './interrupt.ts';
import { type Shell, tellFailure } from './shell.ts';

/** Runs one command line (without program and script). Failures are told on stderr and set the exit code. */
export async function runCommandLine(shell: Shell, argv: readonly string[]): Promise<void> {
  const program = new Command('touchline')
    .description('Three cameras, one match: recorded in sync, brought home safely, stitched into a panorama.')
    .version(SOFTWARE_VERSION)
    // `release build --version` is an option of its own.
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .showHelpAfterError('Type ./touchline help to see all commands.')
    .addHelpText('after', EXAMPLES);
  const commands = [
    demoCommand(shell),
    testCommand(shell),
    labCommand(shell),
    exerciseCommand(
      shell,
      'bench',
      'measure',
      'Runs what is in test/bench and prints the figures that this machine gives.',
    ),
    nodeCommand(shell),
    serverCommand(shell),
    configCommand(shell),
    rigCommand(shell),
    imageCommand(shell),
    verifyCommand(shell),
    buildCommand(shell),
    releaseCommand(shell),
    checkCommand(shell),
  ];
  for (const command of [program, ...commands]) inherit(command, shell);
  for (const command of commands) program.addCommand(command);
  endQuietly(shell);
  try {
    await program.parseAsync(argv.length === 0 ? ['help'] : asked(program, argv), { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError || error instanceof Interrupted) shell.exit(error.exitCode);
    else {
      tellFailure(shell, error);
      shell.exit(1);
    }
  }
}

/**
 * `help config explain` is `config explain --help`: commander looks at the first word alone, and shows all help for what it
 * does not know.
 */
function asked(program: Command, argv: readonly string[]): string[] {
  const [first, ...topics] = argv;
  if (first !== 'help' || topics.length === 0 || topics[0] === 'help') return [...argv];
  let command = program;
  for (const topic of topics) {
    const next = command.commands.find((each) => each.name() === topic);
    if (next === undefined) program.error(`error: there is no command '${topics.join(' ')}' to help with`);
    command = next;
  }
  return [...topics, '--help'];
}

/** Whoever read has heard enough (`| head -1`), or the terminal hung up: nothing to explain, and nobody to explain it to. */
function endQuietly(shell: Shell): void {
  for (const stream of [shell.stdout, shell.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
      shell.exit(error.code === 'EIO' ? EXIT_CODES.SIGHUP : EXIT_CODES.SIGPIPE);
    });
}

/** Commander neither ends the process nor writes anywhere but to the streams it is given. */
function inherit(command: Command, shell: Shell): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => void shell.stdout.write(text),
    writeErr: (text) => void shell.stderr.write(text),
  });
  for (const child of command.commands) inherit(child, shell);
}

const EXAMPLES = `
First steps:
  ./touchline demo                                  three simulated cameras and a server, live in this terminal
  ./touchline demo --once --seconds 20 --json       record, bring home, stitch, print the result
  ./touchline help demo                             what else it can do
`;
