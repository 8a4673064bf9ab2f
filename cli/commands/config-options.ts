import type { Command } from 'commander';

/** Where a configuration comes from besides the environment. */
export function withConfigOptions(command: Command): Command {
  return command
    .option('--config <file>', 'YAML configuration')
    .option('--set <key=value>', 'one value; may be repeated', collected);
}

/** An option that may be repeated; undefined when it never is. */
export function collected(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}
