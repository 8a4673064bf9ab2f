import type { UpdateEntry, UpdateResult, UpdatesConfig, UpdatesRecord } from '#contracts/updates.ts';

/** The one state machine of updates: what happened goes in, what is to be done comes out. It never decides anything twice. */

/** Who is waited for, and why. */
export interface Blocker {
  readonly owner: string;
  readonly reason: string;
}

/** What the decision depends on, as it is at the moment. */
export interface Around {
  /** Monotonic. */
  readonly nowUs: number;
  /** Local time, for the history. */
  readonly at: string;
  /** What the channel knows; null while it does not answer. */
  readonly channel: {
    readonly current: string;
    readonly previous: string | null;
    readonly offer: { readonly version: string; readonly downloaded: boolean } | null;
    readonly applying: boolean;
    /** Versions that the channel itself has gone back from. */
    readonly undone: readonly { readonly version: string; readonly reason: string }[];
    /** What is offered and must not be taken. */
    readonly refused: { readonly version: string; readonly reason: string } | null;
  } | null;
  /** Who else holds the update lock. */
  readonly lock: Blocker | null;
  /** Why the rig does not let this node update. */
  readonly rig: Blocker | null;
  readonly inWindow: boolean;
  readonly policy: UpdatesConfig['automatic'];
  /** Services of this node that should run and do not. */
  readonly missing: readonly string[];
  readonly healthPatienceUs: number;
}

export type UpdateEvent =
  /** The updater has just started: whatever it had begun was cut off. */
  | { readonly kind: 'started' }
  | { readonly kind: 'looked' }
  /** A person or program wants the update as soon as it can be. */
  | { readonly kind: 'asked'; readonly by: string; readonly alone: boolean }
  | { readonly kind: 'rollback-asked'; readonly by: string }
  /** What was to be applied could not be, as somebody else had the lock. */
  | { readonly kind: 'refused'; readonly by: Blocker }
  | { readonly kind: 'failed'; readonly reason: string };

export type UpdateAction =
  | { readonly do: 'download'; readonly version: string }
  | { readonly do: 'apply'; readonly version: string }
  | { readonly do: 'confirm'; readonly version: string }
  | { readonly do: 'rollback' };

export interface Step {
  readonly record: UpdatesRecord;
  readonly actions: readonly UpdateAction[];
}

/** A version that fails so often is left alone until somebody asks for it. */
const ATTEMPTS_MAX = 3;
const RETRY_PAUSE_US = 60_000_000;
/** Whoever installs has answered, and nothing changed: so long it is believed. */
const APPLY_PATIENCE_US = 20 * 60_000_000;
/** What services said before the update may still be read right after it. */
const SETTLING_US = 10_000_000;
const HISTORY_MAX = 50;
const OWNER = 'updater';

export const NO_UPDATES: UpdatesRecord = {
  v: 1,
  phase: 'idle',
  current: null,
  known_as: null,
  version: null,
  from: null,
  since_us: 0,
  asked_by: null,
  alone: false,
  attempts: 0,
  reason: null,
  owner: null,
  problem: null,
  avoided: [],
  history: [],
};

export function step(before: UpdatesRecord, event: UpdateEvent, around: Around): Step {
  // A monotonic time of another boot means nothing.
  const record = event.kind === 'started' ? { ...before, since_us: around.nowUs } : before;
  const happened = take(followCurrent(record, around), event, around);
  const next = settle(happened.record, around);
  return { record: next.record, actions: [...happened.actions, ...next.actions] };
}

/** Why the update that waits cannot be applied now; undefined when there is none. */
export function blockerOf(record: UpdatesRecord, around: Around, alone: boolean): Blocker | null | undefined {
  const { channel } = around;
  if (!channel?.offer) return undefined;
  if (!channel.offer.downloaded) return { owner: 'download', reason: 'it is still being downloaded' };
  if (isBusy(record)) return { owner: OWNER, reason: `it is ${record.phase}` };
  return around.lock ?? (alone ? null : around.rig);
}

/** Why this node cannot go back now. */
export function rollbackBlockerOf(record: UpdatesRecord, around: Around): Blocker | null {
  if (isBusy(record)) return { owner: OWNER, reason: `it is ${record.phase}` };
  return around.lock;
}

function isBusy({ phase }: UpdatesRecord): boolean {
  return phase === 'applying' || phase === 'verifying' || phase === 'rolling-back';
}

/** Another version runs than before: whatever was under way has come to that. */
function followCurrent(record: UpdatesRecord, { channel, at, nowUs }: Around): UpdatesRecord {
  if (!channel || channel.current === record.current) return record;
  const { current } = channel;
  if (record.current === null) return { ...record, current };
  if (record.phase === 'rolling-back') return rolledBack({ ...record, current }, at);
  const wanted = record.phase === 'applying';
  return {
    ...record,
    phase: 'verifying',
    current,
    known_as: wanted && record.version !== current ? record.version : null,
    version: current,
    from: record.current,
    since_us: nowUs,
    // Somebody else decided, such as a person in balena's dashboard.
    asked_by: wanted ? (record.asked_by ?? 'automatic') : 'elsewhere',
    attempts: 0,
    reason: null,
    owner: null,
    problem: null,
  };
}

function take(record: UpdatesRecord, event: UpdateEvent, around: Around): Step {
  switch (event.kind) {
    case 'looked':
      return { record, actions: [] };
    case 'started': {
      const undone = around.channel?.undone.find(({ version }) => version === record.version);
      if (record.phase === 'applying' && undone)
        return { record: avoiding(record, 'rolled_back', undone.reason, around.at), actions: [] };
      // A power cut is no fault of the version: it is tried again after a pause.
      if (record.phase === 'applying') {
        const attempts = Math.max(record.attempts, 1);
        const cut = { ...record, phase: 'queued', attempts, problem: 'it was cut off' } as const;
        return { record: cut, actions: [] };
      }
      if (record.phase === 'rolling-back') return rollBack(record, around);
      return { record, actions: [] };
    }
    case 'asked':
      if (isBusy(record) || !around.channel?.offer) return { record, actions: [] };
      return { record: { ...record, asked_by: event.by, alone: event.alone, attempts: 0 }, actions: [] };
    case 'rollback-asked': {
      if (isBusy(record) || record.current === null) return { record, actions: [] };
      const [asked_by, problem] = [event.by, `asked for by ${event.by}`];
      return rollBack({ ...record, version: record.current, asked_by, problem, attempts: 0 }, around);
    }
    case 'refused':
      if (record.phase === 'applying')
        return { record: { ...record, phase: 'queued', ...event.by }, actions: [] };
      // What could not begin was no attempt.
      if (record.phase === 'rolling-back')
        return { record: { ...record, attempts: record.attempts - 1, ...event.by }, actions: [] };
      return { record, actions: [] };
    case 'failed':
      if (record.phase === 'applying') return { record: again(record, event.reason, around), actions: [] };
      if (record.phase === 'rolling-back')
        return { record: ended(record, 'failed', event.reason, around.at), actions: [] };
      return { record: { ...record, problem: event.reason }, actions: [] };
  }
}

function settle(record: UpdatesRecord, around: Around): Step {
  const { channel, nowUs } = around;
  if (!channel) return { record, actions: [] };
  switch (record.phase) {
    case 'verifying':
      return verify(record, around);
    case 'applying':
      // The Supervisor waits for the same lock, and would not tell.
      if (around.lock && !channel.applying) return wait({ ...record, phase: 'queued' }, around);
      if (nowUs - record.since_us > APPLY_PATIENCE_US)
        return wait(again(record, 'nothing has changed since', around), around);
      return { record, actions: [] };
    case 'rolling-back':
      // It waits for somebody, like an update does.
      if (record.owner !== OWNER) return around.lock ? { record, actions: [] } : rollBack(record, around);
      if (nowUs - record.since_us <= APPLY_PATIENCE_US) return { record, actions: [] };
      return rollBack(record, around);
    case 'idle':
    case 'downloading':
    case 'waiting':
    case 'queued':
      return wait(withRefusal(record, around), around);
  }
}

/** Told once, however often it is offered. */
function withRefusal(record: UpdatesRecord, { channel, at }: Around): UpdatesRecord {
  const refused = channel?.refused;
  if (!refused) return record;
  const { version, reason } = refused;
  if (record.history.some((entry) => entry.version === version && entry.reason === reason)) return record;
  const from = record.current ?? '';
  const entry: UpdateEntry = { version, from, at, source: 'automatic', result: 'failed', reason };
  return { ...record, history: [entry, ...record.history].slice(0, HISTORY_MAX) };
}

/** Nothing is under way: what is offered is downloaded, waits, or is applied. */
function wait(before: UpdatesRecord, around: Around): Step {
  const offer = around.channel?.offer;
  if (!offer) return { record: quiet(before), actions: [] };
  const record =
    offer.version === before.version
      ? before
      : { ...quiet(before), version: offer.version, since_us: around.nowUs };
  if (!offer.downloaded)
    return {
      record: { ...record, phase: 'downloading', reason: record.problem, owner: null },
      actions: [{ do: 'download', version: offer.version }],
    };
  const person = record.asked_by !== null;
  const blocker = around.lock ?? (record.alone ? null : around.rig) ?? pause(record, around);
  if (!person) {
    const isUndone = around.channel?.undone.some(({ version }) => version === offer.version);
    if (isUndone || record.avoided.includes(offer.version))
      return waiting(
        record,
        blocker ?? { owner: 'person', reason: 'it failed here: it is applied when asked for' },
      );
    if (around.policy === 'never')
      return waiting(record, blocker ?? { owner: 'person', reason: 'nobody has applied it yet' });
  }
  const found =
    blocker ??
    (!person && around.policy === 'window' && !around.inWindow
      ? { owner: 'window', reason: 'it waits for the hours in which updates are applied' }
      : null);
  if (found) return { record: { ...record, phase: 'queued', ...found }, actions: [] };
  return {
    record: {
      ...record,
      phase: 'applying',
      from: record.current,
      since_us: around.nowUs,
      reason: null,
      owner: null,
    },
    actions: [{ do: 'apply', version: offer.version }],
  };
}

function waiting(record: UpdatesRecord, blocker: Blocker): Step {
  return { record: { ...record, phase: 'waiting', ...blocker }, actions: [] };
}

function pause({ attempts, since_us, problem }: UpdatesRecord, { nowUs }: Around): Blocker | null {
  if (attempts === 0 || nowUs - since_us >= RETRY_PAUSE_US) return null;
  return { owner: OWNER, reason: `it failed (${problem}); it is tried again in a minute` };
}

function verify(record: UpdatesRecord, around: Around): Step {
  const age = around.nowUs - record.since_us;
  if (around.missing.length === 0 && age >= SETTLING_US) {
    const done = ended(record, 'committed', 'all services run', around.at);
    return { record: done, actions: [{ do: 'confirm', version: record.version ?? '' }] };
  }
  if (around.missing.length === 0 || age < around.healthPatienceUs) return { record, actions: [] };
  const problem = `not running after the update: ${around.missing.join(', ')}`;
  if (around.channel?.previous === null) {
    const reason = `${problem}; there is no version to go back to from here`;
    return { record: avoiding(record, 'failed', reason, around.at), actions: [] };
  }
  return rollBack({ ...record, problem, attempts: 0 }, around);
}

/** One more attempt was in vain: it is made again later, or no more. */
function again(record: UpdatesRecord, reason: string, { nowUs, at }: Around): UpdatesRecord {
  const attempts = record.attempts + 1;
  if (attempts < ATTEMPTS_MAX)
    return { ...record, phase: 'queued', attempts, since_us: nowUs, problem: reason };
  return avoiding(record, 'failed', reason, at);
}

function avoiding(record: UpdatesRecord, result: UpdateResult, reason: string, at: string): UpdatesRecord {
  const over = ended(record, result, reason, at);
  return { ...over, avoided: withVersion(over, record) };
}

function rollBack(record: UpdatesRecord, { nowUs, at }: Around): Step {
  const attempts = record.attempts + 1;
  if (attempts > ATTEMPTS_MAX)
    return { record: ended(record, 'failed', 'it could not be gone back from', at), actions: [] };
  const rolling = { ...record, phase: 'rolling-back', attempts, since_us: nowUs } as const;
  return { record: { ...rolling, reason: record.problem, owner: OWNER }, actions: [{ do: 'rollback' }] };
}

function rolledBack(record: UpdatesRecord, at: string): UpdatesRecord {
  const from = record.from ?? record.current;
  const back = ended({ ...record, from }, 'rolled_back', record.problem ?? 'it was gone back from', at);
  return { ...back, known_as: null, avoided: withVersion(back, record) };
}

function withVersion({ avoided }: UpdatesRecord, { version, known_as }: UpdatesRecord): string[] {
  const names = [version, known_as].filter((name) => name !== null);
  return [...new Set([...avoided, ...names])];
}

function ended(record: UpdatesRecord, result: UpdateResult, reason: string, at: string): UpdatesRecord {
  const entry: UpdateEntry = {
    version: record.known_as ?? record.version ?? '',
    from: record.from ?? record.current ?? '',
    at,
    source: record.asked_by ?? 'automatic',
    result,
    reason,
  };
  const done = quiet({ ...record, history: [entry, ...record.history].slice(0, HISTORY_MAX) });
  // What works now is no longer avoided.
  return result === 'committed'
    ? { ...done, avoided: done.avoided.filter((each) => each !== record.version && each !== record.known_as) }
    : done;
}

function quiet(record: UpdatesRecord): UpdatesRecord {
  return {
    ...record,
    phase: 'idle',
    version: null,
    from: null,
    asked_by: null,
    alone: false,
    attempts: 0,
    reason: null,
    owner: null,
    problem: null,
  };
}
