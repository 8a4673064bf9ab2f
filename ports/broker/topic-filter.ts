/**
 * Whether an MQTT filter covers a topic. `+` stands for one level, a closing `#` for the rest including none.
 * A filter that begins with a wildcard does not cover topics that begin with `$` (MQTT 3.1.1, 4.7.2).
 */
export function covers(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false;
  const wanted = filter.split('/');
  const levels = topic.split('/');
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true;
    if (index >= levels.length) return false;
    if (level !== '+' && level !== levels[index]) return false;
  }
  return wanted.length === levels.length;
}
