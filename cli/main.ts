import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommandLine } from './program.ts';

await runCommandLine(
  {
    env: process.env,
    cwd: process.cwd(),
    root: dirname(dirname(fileURLToPath(import.meta.url))),
    node: process.execPath,
    superuser: process.getuid?.() === 0,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    exit(code) {
      process.exitCode = code;
    },
  },
  process.argv.slice(2),
);
