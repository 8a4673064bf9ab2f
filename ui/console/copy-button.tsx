import { useEffect, useState } from 'preact/hooks';

const SAID_MS = 2000;

/** Copies a text, also where the page came over plain HTTP and has no clipboard of its own. */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const [said, setSaid] = useState<'Copied' | 'Not copied'>();
  useEffect(() => {
    if (!said) return undefined;
    const timer = setTimeout(() => setSaid(undefined), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async (): Promise<void> => setSaid((await copied(text)) ? 'Copied' : 'Not copied');
  return (
    <button type="button" class="copy" onClick={() => void copy()} title={`Copy ${text}`}>
      <span class="figures">{text.slice(0, 12)}…</span>
      <span class="copy-word" aria-live="polite">
        {said ?? 'Copy'}
      </span>
      <span class="visually-hidden"> {what}</span>
    </button>
  );
}

async function copied(text: string): Promise<boolean> {
  if (navigator.clipboard)
    return navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
  const field = document.createElement('textarea');
  field.value = text;
  field.className = 'visually-hidden';
  document.body.append(field);
  field.select();
  // The only way there is without a secure origin.
  const done = document.execCommand('copy');
  field.remove();
  return done;
}
