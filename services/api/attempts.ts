import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import { Role } from '#contracts/http-node.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';
import type { Logger } from '#runtime/logger.ts';

/** Who enters a PIN. */
export interface Caller {
  readonly address: string;
  /** What its browser got when it was let in before, if it was. */
  readonly token: string | undefined;
}

/** Wrong PINs in a row, kept over restarts. One attempt at a time: the next begins when the one before is over. */
export interface Attempts {
  /** Before a PIN is looked at. Throws `rate_limited` with the seconds to wait. */
  begin(caller: Caller): Promise<Attempt>;
}

export interface Attempt {
  /** Whose PINs may be looked at. */
  readonly roles: readonly Role[];
  /** It was the PIN of that role. Resolves with the token by which the browser is known from now on. */
  succeeded(role: Role): Promise<string>;
  /** What to answer when it was none of those: `pin_wrong`, or `rate_limited` when not all were looked at. */
  refusal(): TouchlineError;
}

const FILE = 'pin-attempts.json';
const Count = z.int().min(0);
const Kept = z.object({
  /** Of all strangers together. */
  wrong: Count,
  addresses: z.array(z.object({ address: z.string(), wrong: Count })).default([]),
  browsers: z.array(z.object({ hash: z.string(), role: Role, wrong: Count })).default([]),
});

/** People mistype; from then on each wrong PIN doubles the pause. */
const FREE = 3;
/** A minute each, all PINs of eight digits take two centuries; a person who knows it waits a minute at most. */
const LONGEST_PAUSE_SEC = 60;
/**
 * For what others did wrong. Short, so that one device that never stops guessing, which waits a minute itself, leaves room for
 * others; from any number of addresses, all PINs of eight digits still take thirty years.
 */
const LONGEST_SHARED_PAUSE_SEC = 10;
const ADDRESSES_MAX = 200;
/** Of each role the one that was longest not seen is forgotten first. */
const BROWSERS_MAX: Readonly<Record<Role, number>> = { viewer: 100, operator: 50 };
const TOKEN_BYTES = 32;
const ROLES: readonly Role[] = ['operator', 'viewer'];

interface Brake {
  wrong: number;
  notBeforeUs: number;
  readonly longestSec: number;
}
type KnownBrowser = Brake & { role: Role };

/**
 * A stranger waits for what its own address did wrong, and a little for what all strangers did. A browser that was let in before
 * waits for its own mistakes alone, so that nobody else can lock it out; one that was let in as a viewer has that for the viewers'
 * PIN only, or those who know it could guess the operators' without a brake. Pauses are counted from the start of the service again, so
 * that neither a restart nor a stepped clock shortens them.
 */
export function createAttempts(parts: {
  readonly state: Disk;
  readonly clock: Clock;
  readonly log: Logger;
}): Attempts {
  const { state, clock, log } = parts;
  const shared = brake(LONGEST_SHARED_PAUSE_SEC);
  const addresses = new Map<string, Brake>();
  const browsers = new Map<string, KnownBrowser>();
  let loading: Promise<void> | undefined;
  let keeps = true;

  const set = (one: Brake, wrong: number): void => {
    one.wrong = wrong;
    const sec = wrong < FREE ? 0 : Math.min(one.longestSec, 2 ** (wrong - FREE));
    one.notBeforeUs = clock.monoUs() + sec * 1e6;
  };
  const waitSec = (...brakes: Brake[]): number =>
    Math.max(0, ...brakes.map(({ notBeforeUs }) => Math.ceil((notBeforeUs - clock.monoUs()) / 1e6)));

  /** A disk that takes nothing locks nobody out. */
  const save = async (): Promise<void> => {
    const kept: z.input<typeof Kept> = {
      wrong: shared.wrong,
      addresses: [...addresses].map(([address, { wrong }]) => ({ address, wrong })),
      browsers: [...browsers].map(([hash, { role, wrong }]) => ({ hash, role, wrong })),
    };
    try {
      await state.replace(FILE, JSON.stringify(kept));
      keeps = true;
    } catch (error) {
      if (keeps) log.error({ err: error }, 'wrong PINs are counted in memory alone: a restart forgets them');
      keeps = false;
    }
  };

  const load = async (): Promise<void> => {
    const text = await readText(state, FILE);
    if (text === undefined) return;
    try {
      const kept = parseOrThrow(Kept, JSON.parse(text), 'internal', FILE);
      set(shared, kept.wrong);
      for (const { address, wrong } of kept.addresses) set(addressBrake(address), wrong);
      for (const { hash, role, wrong } of kept.browsers) {
        const browser = { ...brake(LONGEST_PAUSE_SEC), role };
        set(browser, wrong);
        browsers.set(hash, browser);
      }
    } catch (error) {
      log.error({ err: error }, `${FILE} is damaged: everybody waits for the longest pause`);
      shared.wrong = FREE + Math.ceil(Math.log2(LONGEST_SHARED_PAUSE_SEC));
      shared.notBeforeUs = clock.monoUs() + LONGEST_PAUSE_SEC * 1e6;
      await save();
    }
  };

  const addressBrake = (address: string): Brake => {
    const found = addresses.get(address) ?? brake(LONGEST_PAUSE_SEC);
    touch(addresses, address, found);
    dropOldest(addresses, [...addresses.keys()], ADDRESSES_MAX);
    return found;
  };

  /** The browser as one that was let in, under the token it has or a new one. */
  const remember = (token: string | undefined, browser: KnownBrowser | undefined, role: Role): string => {
    const name = token !== undefined && browser ? token : randomBytes(TOKEN_BYTES).toString('base64url');
    const known = browser ?? { ...brake(LONGEST_PAUSE_SEC), role };
    if (role === 'operator') known.role = role;
    touch(browsers, hashOf(name), known);
    const alike = [...browsers].filter(([, each]) => each.role === known.role).map(([hash]) => hash);
    dropOldest(browsers, alike, BROWSERS_MAX[known.role]);
    return name;
  };

  return {
    async begin({ address, token }) {
      loading ??= load().catch((error: unknown) => {
        loading = undefined;
        throw error;
      });
      await loading;
      const browser = token === undefined ? undefined : browsers.get(hashOf(token));
      const strangers = [addressBrake(address), shared];
      const operator = browser?.role === 'operator';
      const sec = browser ? waitSec(browser) : waitSec(...strangers);
      if (sec > 0) throw limited(sec);
      const strangersSec = operator ? 0 : waitSec(...strangers);
      const all = strangersSec === 0;
      const counted = [...(browser ? [browser] : []), ...(operator || !all ? [] : strangers)];
      const before = counted.map(({ wrong, notBeforeUs }) => ({ wrong, notBeforeUs }));
      // Counted before it is known: whoever pulls the plug in between has tried all the same.
      for (const one of counted) set(one, one.wrong + 1);
      await save();
      return {
        roles: all ? ROLES : ['viewer'],
        async succeeded(role) {
          // Only an operator starts anew: a viewer could clear the way for guessing the operators' PIN.
          for (const [n, one] of counted.entries())
            Object.assign(one, role === 'operator' ? { wrong: 0, notBeforeUs: 0 } : before[n]);
          const name = remember(token, browser, role);
          await save();
          return name;
        },
        refusal: () =>
          all ? new TouchlineError('pin_wrong', 'this is not the PIN of the rig') : limited(strangersSec),
      };
    },
  };
}

function brake(longestSec: number): Brake {
  return { wrong: 0, notBeforeUs: 0, longestSec };
}

/** Puts an entry at the end of those that are forgotten. */
function touch<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
}

function dropOldest(map: Map<string, unknown>, keys: readonly string[], most: number): void {
  for (const key of keys.slice(0, -most)) map.delete(key);
}

function limited(sec: number): TouchlineError {
  return new TouchlineError('rate_limited', `too many wrong PINs: wait ${sec} s`, {
    details: { retry_after_sec: sec },
  });
}

/** What is kept of a token: who reads the file cannot pass for the browser. */
function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
