import type { Setting } from './recipe.ts';

/** The kernel's command line with the settings of the recipe; words of the base that it sets are replaced where they stand. */
export function kernelCommandLine(
  base: string,
  settings: readonly Setting<'cmdline'>[],
  removed: readonly string[] = [],
): string {
  const gone = (text: string): boolean =>
    removed.includes(identity(text)) || removed.includes(text.split('=')[0] ?? '');
  const words = base.split(/\s+/).filter((text) => text !== '' && !gone(text));
  const left = new Map(settings.map((setting) => [setting.id, word(setting)]));
  const replaced = words.map((each) => {
    const id = identity(each);
    const ours = left.get(id);
    left.delete(id);
    return ours ?? each;
  });
  return `${[...replaced, ...left.values()].join(' ')}\n`;
}

function word({ key, value }: Setting<'cmdline'>): string {
  return value === '' ? key : `${key}=${value}`;
}

function identity(text: string): string {
  const [key = '', value = ''] = text.split(/=(.*)/s);
  return key === 'console' ? `${key}:${value.split(',')[0]}` : key;
}
