import { useState } from 'preact/hooks';
import { type Problem, path, postJson, problemIn } from '../live/http.ts';
import { refusalOf } from './trouble-words.ts';

/** What cameras said no to, in words; those that say the same stand together. */
export interface Refused {
  readonly cameras: readonly string[];
  readonly text: string;
}

/** Asks all these cameras at once; returns what was refused. */
export async function askCameras(
  cameras: readonly string[],
  route: string,
  body: object = {},
  timeoutMs?: number,
): Promise<readonly Refused[]> {
  const answers = await Promise.all(
    cameras.map((camera) =>
      postJson(path(route, { camera_id: camera }), body, timeoutMs).then(
        () => undefined,
        (error: unknown) => ({ camera, problem: problemIn(error) }),
      ),
    ),
  );
  return together(answers.filter((answer) => answer !== undefined));
}

/** Pure. */
export function together(
  refusals: readonly { readonly camera: string; readonly problem: Problem }[],
): Refused[] {
  const words = new Map<string, string[]>();
  for (const { camera, problem } of refusals) {
    const text = refusalOf(problem);
    words.set(text, [...(words.get(text) ?? []), camera]);
  }
  return [...words].map(([text, cameras]) => ({ cameras, text }));
}

/** One thing that cameras are asked for by a tap. */
export interface Asking {
  /** When it was asked, milliseconds of `performance.now`; undefined when nothing is under way. */
  readonly sinceMs: number | undefined;
  readonly refused: readonly Refused[];
  ask(cameras: readonly string[], route: string, body?: object): void;
}

export function useAsking(timeoutMs?: number): Asking {
  const [sinceMs, setSinceMs] = useState<number>();
  const [refused, setRefused] = useState<readonly Refused[]>([]);
  return {
    sinceMs,
    refused,
    ask(cameras, route, body) {
      setSinceMs(performance.now());
      setRefused([]);
      void askCameras(cameras, route, body, timeoutMs).then((found) => {
        setRefused(found);
        setSinceMs(undefined);
      });
    },
  };
}
