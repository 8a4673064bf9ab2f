import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Runs a program that may take minutes: what it says goes to our stderr. Throws with its exit code. */
export async function runLoudly(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 2, 2] });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code}`);
}

/** Runs a program to its end. Exit codes that are not in `fine` throw with all it said. */
export async function run(
  command: string,
  args: readonly string[],
  fine: readonly number[] = [0],
): Promise<{ stdout: string; stderr: string; code: number }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === null || !fine.includes(code))
    throw new Error(`${command} ${args.join(' ')}: exit code ${code}\n${stdout}${stderr}`);
  return { stdout, stderr, code };
}
