import { ulid } from 'ulid';
import type { ClockReading } from '#contracts/manifest.ts';
import type { RigTime, SyncState } from '#contracts/states.ts';
import { fromWireTime, toWireTime } from '#contracts/time.ts';
import { type Comparison, compareReadings } from '#domain/sync/compare.ts';
import { growthMs, masterOfMono, monoOfMaster, type RigTimeLine } from '#domain/sync/rig-time-line.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import type { ChronyTime } from './clock-keeper.ts';
import type { OwnAnswer } from './exchange.ts';
import type { Mastership } from './mastership.ts';
import type { OwnTime } from './own-time.ts';
import type { PeerTime } from './peer-time.ts';

/** Rig time at one monotonic instant, microseconds; `ci95Us` undefined where only a bound is known. */
export interface RigTimeNow {
  readonly source: Exclude<ClockReading['source'], 'none'>;
  readonly masterUs: number;
  readonly ratePpm: number;
  readonly boundUs: number;
  readonly ci95Us: number | undefined;
  readonly confidence: number;
  /** When the source was last heard. */
  readonly heardMonoUs: number;
}

/** A source of rig time that is a line with a bound: the master's own, or that of chronyd. */
export interface BoundedLine {
  readonly line: RigTimeLine;
  readonly boundUs: number;
}

/** Rig time as this node knows it: monotonic → rig time ± bound. */
export interface Truth {
  at(monoUs: number): RigTimeNow | undefined;
  /** The monotonic instant of a rig time; undefined while rig time is unknown. */
  monoOf(masterUs: number): number | undefined;
  /** What other nodes are told who ask. */
  answer(monoUs: number): OwnAnswer | undefined;
  /** What the master says about itself; used where its kernel is ours, whose monotonic clock is then the same. */
  heardMaster(state: SyncState): void;
  /** Another node is the master now. */
  masterChanged(): void;
  reading(monoUs: number): ClockReading;
  rigTime(monoUs: number): RigTime | null;
  /** chronyd against the exchange, where both are known. */
  comparison(monoUs: number): Comparison | undefined;
}

/** An exchange that is older yields to chronyd, if that claims to know better. */
const EXCHANGE_FRESH_US = 10_000_000;
/** The error that `confidence` is about. */
const PROMISE_US = 5_000;
const MASTER_STRATUM = 8;
/** Below this two tellings of the same line differ by how the clocks are read. */
const JUMP_US = 1_000;

export function createTruth(deps: {
  readonly clock: Clock;
  readonly mastership: Mastership;
  readonly ownTime: OwnTime;
  /** Whether this node knows that its own clock is the one to follow, once it is the master. */
  readonly settled: () => boolean;
  /** What was measured with the master. */
  readonly measured: () => PeerTime | undefined;
  /** Time as chronyd has it; undefined while it follows nothing. */
  readonly chrony: () => ChronyTime | undefined;
  /** Stratum of this node's chronyd; null where there is none. */
  readonly stratum: () => number | null;
  /** Whether the rig records at that rig time, microseconds: its time may not jump then. */
  readonly recordingAt: (masterUs: number) => boolean;
}): Truth {
  const { clock, mastership, ownTime } = deps;
  let sharedLine = ulid();
  let masterChrony: { readonly boundUs: number; readonly heardMonoUs: number } | undefined;
  /** What was followed last, and when. */
  let followed: (RigTimeNow & { readonly monoUs: number }) | undefined;
  let sameKernel: (BoundedLine & { readonly ci95Us: number | undefined }) | undefined;

  const own = (monoUs: number): RigTimeNow => {
    const boundUs = 2 * clock.readErrorUs;
    return {
      source: 'master',
      masterUs: monoUs + ownTime.offsetUs,
      ratePpm: 0,
      boundUs,
      ci95Us: boundUs,
      confidence: 1,
      heardMonoUs: monoUs,
    };
  };

  const byExchange = (monoUs: number): RigTimeNow | undefined => {
    const estimate = deps.measured()?.at(monoUs);
    return (
      estimate && {
        source: 'exchange',
        masterUs: estimate.masterUs,
        ratePpm: estimate.ratePpm,
        boundUs: estimate.boundUs,
        ci95Us: estimate.ci95Us,
        confidence: estimate.confidence,
        heardMonoUs: monoUs - estimate.ageUs,
      }
    );
  };

  const byChrony = (monoUs: number): RigTimeNow | undefined => {
    const known = deps.chrony();
    if (known === undefined) return undefined;
    // Both follow something else: the rig's time is the master's clock, which is off by as much as it says itself.
    if (!known.followsRig && masterChrony === undefined) return undefined;
    const masterOffUs =
      known.followsRig || masterChrony === undefined
        ? 0
        : masterChrony.boundUs + growthMs('chrony', monoUs - masterChrony.heardMonoUs) * 1000;
    const boundUs = known.boundUs + masterOffUs + growthMs('chrony', monoUs - known.line.monoUs) * 1000;
    return {
      source: 'chrony',
      masterUs: masterOfMono(known.line, monoUs),
      ratePpm: known.line.ratePpm,
      boundUs,
      ci95Us: undefined,
      // chronyd gives a bound and no distribution: within it everything is possible.
      confidence: Math.min(1, PROMISE_US / boundUs),
      heardMonoUs: known.line.monoUs,
    };
  };

  const better = (
    exchange: RigTimeNow | undefined,
    chrony: RigTimeNow | undefined,
    monoUs: number,
  ): RigTimeNow | undefined => {
    if (exchange === undefined || chrony === undefined) return exchange ?? chrony;
    const stale = monoUs - exchange.heardMonoUs > EXCHANGE_FRESH_US;
    return stale && chrony.boundUs < exchange.boundUs ? chrony : exchange;
  };

  const at = (monoUs: number): RigTimeNow | undefined => {
    if (mastership.isMaster) return deps.settled() ? own(monoUs) : undefined;
    if (sameKernel) {
      const { line, boundUs, ci95Us } = sameKernel;
      return {
        source: 'same_kernel',
        masterUs: masterOfMono(line, monoUs),
        ratePpm: line.ratePpm,
        boundUs,
        ci95Us,
        confidence: 1,
        heardMonoUs: monoUs,
      };
    }
    const exchange = byExchange(monoUs);
    const chrony = byChrony(monoUs);
    const next = better(exchange, chrony, monoUs);
    if (next === undefined) return undefined;
    if (followed && followed.source !== next.source) {
      const before = (followed.source === 'exchange' ? exchange : chrony) ?? ranOn(followed, monoUs);
      const apart = Math.abs(before.masterUs - next.masterUs) > before.boundUs + next.boundUs;
      // They cannot both be right, and one recording has one time.
      if (apart && deps.recordingAt(before.masterUs)) return before;
    }
    followed = { ...next, monoUs };
    return next;
  };

  /** Identity of the line of time that a source tells. */
  const lineOf = (source: RigTimeNow['source']): string => {
    if (source === 'master') return ownTime.line;
    if (source === 'exchange') return deps.measured()?.line ?? source;
    return source === 'same_kernel' ? sharedLine : source;
  };

  const stratum = (): number => deps.stratum() ?? (mastership.isMaster ? MASTER_STRATUM : MASTER_STRATUM + 1);

  return {
    at,
    monoOf(masterUs) {
      const monoUs = clock.monoUs();
      const now = at(monoUs);
      return now && monoOfMaster({ monoUs, masterUs: now.masterUs, ratePpm: now.ratePpm }, masterUs);
    },
    answer(monoUs) {
      const now = at(monoUs);
      return now && { masterUs: now.masterUs, boundUs: now.boundUs, line: lineOf(now.source) };
    },
    heardMaster(state) {
      const chronyBoundMs = state.chrony?.bound_ms ?? null;
      masterChrony =
        chronyBoundMs === null ? undefined : { boundUs: chronyBoundMs * 1000, heardMonoUs: clock.monoUs() };
      const told = state.rig_time;
      if (state.boot_id !== clock.bootId || told === null || told.boot_id !== clock.bootId) {
        // The master runs elsewhere now. A master that only fell silent leaves its line, which stays true on this kernel.
        if (state.boot_id !== clock.bootId) sameKernel = undefined;
        return;
      }
      const masterUs = fromWireTime(told.master);
      // The line of the master is not told in its state; a jump shows all the same.
      if (sameKernel && Math.abs(masterOfMono(sameKernel.line, told.mono_us) - masterUs) > JUMP_US)
        sharedLine = ulid();
      sameKernel = {
        line: { monoUs: told.mono_us, masterUs, ratePpm: told.rate_ppm },
        boundUs: (told.bound_ms ?? 0) * 1000,
        ci95Us: told.ci95_ms === null ? undefined : told.ci95_ms * 1000,
      };
    },
    masterChanged() {
      masterChrony = undefined;
      followed = undefined;
      sameKernel = undefined;
    },
    reading(monoUs) {
      const now = at(monoUs);
      if (now === undefined)
        return {
          source: 'none',
          offset_ms: null,
          bound_ms: null,
          ci95_ms: null,
          confidence: 0,
          stratum: null,
          last_sync: null,
        };
      const localUs = wallAt(clock, monoUs);
      return {
        source: now.source,
        offset_ms: (localUs - now.masterUs) / 1000,
        bound_ms: now.boundUs / 1000,
        ci95_ms: now.ci95Us === undefined ? null : now.ci95Us / 1000,
        confidence: now.confidence,
        stratum: stratum(),
        last_sync: toWireTime(now.masterUs - (monoUs - now.heardMonoUs)),
      };
    },
    rigTime(monoUs) {
      const now = at(monoUs);
      return now === undefined
        ? null
        : {
            boot_id: clock.bootId,
            mono_us: monoUs,
            master: toWireTime(now.masterUs),
            rate_ppm: now.ratePpm,
            bound_ms: now.boundUs / 1000,
            ci95_ms: now.ci95Us === undefined ? null : now.ci95Us / 1000,
          };
    },
    comparison(monoUs) {
      if (mastership.isMaster) return undefined;
      const exchange = byExchange(monoUs);
      const chrony = byChrony(monoUs);
      return exchange && chrony && compareReadings(chrony, exchange);
    },
  };
}

/** A source that fell silent, `monoUs` later: good for less and less. */
function ranOn(last: RigTimeNow & { readonly monoUs: number }, monoUs: number): RigTimeNow {
  const boundUs = last.boundUs + growthMs(last.source, monoUs - last.monoUs) * 1000;
  return {
    ...last,
    masterUs: masterOfMono(last, monoUs),
    boundUs,
    ci95Us: undefined,
    confidence: Math.min(last.confidence, PROMISE_US / boundUs),
  };
}
