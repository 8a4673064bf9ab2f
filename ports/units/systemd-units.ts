import { TouchlineError } from '#contracts/errors.ts';
import { describeEnd, type ProgramEnd, startProgram } from '#ports/program/program.ts';
import type { Units } from './units.ts';

/**
 * Units of systemd, asked by `systemctl(1)`. A unit that is not installed counts as not running. `systemctl`: another program in
 * its place, for tests.
 */
export function systemdUnits(systemctl = 'systemctl'): Units {
  const run = async (args: readonly string[]): Promise<{ end: ProgramEnd; out: string }> => {
    const program = await startProgram(systemctl, args, { stdout: 'pipe' });
    let out = '';
    program.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    return { end: await program.ended, out };
  };
  const ask = async (args: readonly string[], what: string): Promise<void> => {
    const { end } = await run(args);
    if (end.code !== 0)
      throw new TouchlineError('services_not_restarted', `${what}: systemctl failed, ${describeEnd(end)}`, {
        details: { stderr: end.stderr },
      });
  };
  return {
    async restart(names) {
      if (names.length === 0) return;
      // A unit that gave up after too many failures is not started again before that is forgotten.
      await run(['reset-failed', ...names]);
      await ask(['restart', ...names], names.join(', '));
    },
    restartOwn: (name) => ask(['--no-block', 'restart', name], name),
    async notRunning(names) {
      if (names.length === 0) return [];
      // One line for each; the exit code only says whether all of them run.
      const { end, out } = await run(['is-active', ...names]);
      const states = out.trim().split('\n');
      if (states.length !== names.length)
        throw new TouchlineError(
          'services_not_restarted',
          `systemctl told ${states.length} states of ${names.length} units: ${describeEnd(end)}`,
        );
      return names.flatMap((name, n) => {
        const state = states[n] ?? 'unknown';
        return state === 'active' ? [] : [{ name, state }];
      });
    },
  };
}
