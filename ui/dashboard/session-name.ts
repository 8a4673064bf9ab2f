/** Longest `SessionId`. */
const LENGTH_MAX = 64;

/**
 * What people call a match, as a `SessionId`: `Grün-Weiß : Füchse` → `Grun-Weiss_Fuchse`. Undefined when nothing of it can
 * stand in a file name; the rig then makes a name of the time.
 */
export function sessionName(text: string): string | undefined {
  const name = text
    .normalize('NFKD')
    .replace(/\p{Mark}+/gu, '')
    .replace(/ß/g, 'ss')
    .replace(/[^A-Za-z0-9_-]+/g, '_')
    .replace(/^[_-]+|_+$/g, '')
    .slice(0, LENGTH_MAX);
  return name === '' ? undefined : name;
}

/** What to say of a name while it is typed; empty when it is taken as it is. */
export function savedAs(text: string): string {
  const wanted = text.trim();
  const name = sessionName(text);
  if (wanted === '' || name === wanted) return '';
  return name === undefined
    ? 'No letter of it can stand in a file name: named by the time'
    : `Saved as ${name}`;
}
