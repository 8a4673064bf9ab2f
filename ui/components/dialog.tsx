import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

/** A modal dialog of the browser: focus stays inside; Escape closes it, and so does Back. */
export function Dialog({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => element.current?.showModal(), []);
  useEffect(() => closedByBack(() => element.current?.close()), []);
  return (
    <dialog class="dialog" ref={element} onClose={onClose} aria-label={title}>
      <div class="heading">
        <h2>{title}</h2>
        <button type="button" class="button" onClick={() => element.current?.close()}>
          Close
        </button>
      </div>
      {children}
    </dialog>
  );
}

let opened = 0;
/** Resolved when the entry of the dialog before is taken back: browsers do that later. */
let tidy: Promise<void> = Promise.resolve();

/** Gives the dialog an entry of the history, at the same address. Returns what takes it back, unless Back did. */
function closedByBack(close: () => void): () => void {
  const entry = `dialog ${++opened}`;
  let ended = false;
  const isCurrent = (): boolean => (history.state as { entry?: string } | null)?.entry === entry;
  const onPop = (): void => {
    if (!isCurrent()) close();
  };
  void tidy.then(() => {
    if (ended) return;
    history.pushState({ entry }, '');
    addEventListener('popstate', onPop);
  });
  return () => {
    ended = true;
    removeEventListener('popstate', onPop);
    if (!isCurrent()) return;
    tidy = new Promise((resolve) => addEventListener('popstate', () => resolve(), { once: true }));
    history.back();
  };
}
