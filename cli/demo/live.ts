import { setTimeout as sleep } from 'node:timers/promises';
import { createLogUpdate } from 'log-update';
import { TouchlineError } from '#contracts/errors.ts';
import type { RigView } from '#contracts/http-node.ts';
import type { Shell } from '../shell.ts';
import { waitUntilReady } from './once.ts';
import { type DemoSystem, LOG_NOTICE } from './system.ts';
import { addresses, CENTRAL, fitted, nextSteps, renderChanges, renderLive, type Snapshot } from './view.ts';

const REFRESH_MS = 500;
const NOTICES_SHOWN = 4;
/** Who has not answered for so long since the start is silent, not starting. A slow machine takes a minute. */
const BOOT_MS = 60_000;
const CTRL_C = '\u0003';

/** Lines about what happened besides: a child that ended, a start that was refused. */
export interface Notices {
  add(line: string): void;
  readonly lines: readonly string[];
}

export function notices(print?: (line: string) => void): Notices {
  const lines: string[] = [];
  return {
    add(line) {
      print?.(line);
      lines.push(line);
      if (lines.length > NOTICES_SHOWN) lines.shift();
    },
    lines,
  };
}

/** What a terminal that does not say has. */
const USUAL_COLUMNS = 80;

/**
 * Shows the running system until `signal` aborts or somebody types `q`. A terminal gets a view, anything else lines. Returns what
 * was seen last.
 */
export async function showLive(
  shell: Shell,
  system: DemoSystem,
  told: Notices,
  signal: AbortSignal,
): Promise<Snapshot | undefined> {
  const quit = new AbortController();
  const until = AbortSignal.any([signal, quit.signal]);
  const interactive = shell.stdout.isTTY === true;
  const update = createLogUpdate(shell.stdout);
  let shownLines = 0;
  const seen = new Map<string, string>();
  // Pressed while all still boot, it starts as soon as they can; one that is not there in time does not hold it up.
  const booted = waitUntilReady(system, AbortSignal.any([until, AbortSignal.timeout(BOOT_MS)])).catch(
    () => undefined,
  );
  const stopKeys = listenForKeys(shell, {
    s: () => drive('start', () => booted.then(() => system.master.start({}, until))),
    x: () => drive('stop', () => system.master.stop({}, until)),
    q: () => quit.abort(),
    [CTRL_C]: () => quit.abort(),
  });

  const drive = (what: string, command: () => Promise<{ session_id: string }>): void => {
    told.add(`${what} …`);
    command()
      .then(({ session_id }) => told.add(`${what}: ${session_id}`))
      .catch((error: unknown) => {
        if (!until.aborted) told.add(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      });
  };

  const show = (snapshot: Snapshot): void => {
    if (interactive) {
      const columns = shell.stdout.columns ?? USUAL_COLUMNS;
      const keys = stopKeys === undefined ? 'Ctrl-C quit' : 's start   x stop   q quit';
      const fit = (line: string): string => fitted(line, columns);
      const lines = [
        ...['', ...renderLive(snapshot, system.place, columns), ''],
        ...told.lines.map((line) => (line.startsWith(LOG_NOTICE) ? line : fit(line))),
        ...[keys, '', ...addresses(system.place).map(fit)],
      ];
      // Lines that move are not redrawn by themselves: with another number of them everything is.
      if (lines.length !== shownLines) update.clear();
      shownLines = lines.length;
      update(lines.join('\n'));
      return;
    }
    for (const [about, line] of renderChanges(snapshot, system.place)) {
      if (seen.get(about) === line) continue;
      seen.set(about, line);
      shell.stdout.write(`${line}\n`);
    }
  };

  shell.stdout.write(`${[...addresses(system.place), ...nextSteps(system.place)].join('\n')}\n`);
  let last: Snapshot | undefined;
  const answered = new Set<string>();
  const begunMs = performance.now();
  try {
    while (!until.aborted) {
      last = await look(system, until, answered);
      if (performance.now() - begunMs > BOOT_MS) last = { ...last, starting: new Set() };
      show(last);
      await sleep(REFRESH_MS, undefined, { signal: until });
    }
  } catch (error) {
    if (!until.aborted) throw error;
  } finally {
    stopKeys?.();
    if (interactive) update.done();
  }
  return last;
}

/** Asks the master's node, another when it is silent, and central. `answered` remembers who ever did. */
async function look(system: DemoSystem, signal: AbortSignal, answered: Set<string>): Promise<Snapshot> {
  const cameras = system.place.nodes.map((node) => node.cameraId);
  const [view, health, list] = await Promise.all([
    firstView(system, signal),
    quiet(system.central.health(signal), signal),
    quiet(system.central.sessions(signal), signal),
  ]);
  if (health !== undefined) answered.add(CENTRAL);
  for (const node of view?.nodes ?? [])
    if (node.available && node.status?.recorder) answered.add(node.camera_id);
  const starting = new Set([...cameras, CENTRAL].filter((name) => !answered.has(name)));
  return { cameras, view, health, starting, sessions: list?.sessions ?? [] };
}

async function firstView(system: DemoSystem, signal: AbortSignal): Promise<RigView | undefined> {
  for (const client of [system.master, ...system.nodes.values()]) {
    const view = await quiet(client.rig(signal), signal);
    if (view !== undefined) return view;
  }
  return undefined;
}

/** Silence and errors of a service are shown as such; only our own end ends the view. */
async function quiet<T>(answer: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof TouchlineError) return undefined;
    throw error;
  }
}

function listenForKeys(shell: Shell, keys: Record<string, () => void>): (() => void) | undefined {
  const { stdin } = shell;
  if (!stdin.isTTY || shell.stdout.isTTY !== true) return undefined;
  const onData = (chunk: Buffer | string): void => {
    for (const key of chunk.toString()) keys[key]?.();
  };
  stdin.setRawMode?.(true);
  stdin.on('data', onData);
  return () => {
    stdin.off('data', onData);
    stdin.setRawMode?.(false);
    stdin.pause();
  };
}
