import { useState } from 'preact/hooks';

/** A still of a recording, or words where there is none. What it shows stands beside it in text. */
export function Picture({ src, fallback }: { src: string | null | undefined; fallback: string }) {
  const [failed, setFailed] = useState<string>();
  if (!src || failed === src) return <span class="no-picture">{fallback}</span>;
  return <img src={src} alt="" loading="lazy" decoding="async" onError={() => setFailed(src)} />;
}
