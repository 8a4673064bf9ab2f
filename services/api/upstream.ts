import { type IncomingMessage, request } from 'node:http';

/** An HTTP server that this one asks on behalf of its own callers: a Unix socket of this node, or another node. */
export type Upstream = { readonly socketPath: string } | { readonly host: string; readonly port: number };

export interface Question {
  readonly path: string;
  /** GET when left out. */
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  /** How long the answer may take to begin, and to go on. */
  readonly limitMs: number;
}

/**
 * Resolves with the answer's head as soon as it is there; its body is to be read or destroyed. Rejects when nothing
 * answers within the limit.
 */
export function ask(
  upstream: Upstream,
  { path, method = 'GET', headers, limitMs }: Question,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request({
      ...upstream,
      path,
      method,
      headers: { ...headers },
      timeout: limitMs,
      agent: false,
    });
    const late = setTimeout(() => asked.destroy(new Error(`no answer within ${limitMs / 1000} s`)), limitMs);
    let begun: IncomingMessage | undefined;
    asked.once('response', (answer) => {
      clearTimeout(late);
      begun = answer;
      resolve(answer);
    });
    asked.on('timeout', () => {
      // What has come is not read yet: the caller is slow (a paused film), not the one who was asked.
      if (begun && begun.readableLength > 0) return;
      asked.destroy(new Error(`nothing came for ${limitMs / 1000} s`));
    });
    asked.once('error', (error) => {
      clearTimeout(late);
      reject(error);
    });
    asked.end();
  });
}
