import { randomBytes } from 'node:crypto';
import { TouchlineError } from '#contracts/errors.ts';
import type { CameraId } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { type TimeAnswer, TimeDatagram, type TimeQuestion } from '#contracts/time-exchange.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { ExchangeAddress, TimedDatagram, TimeExchange } from '#ports/time-exchange/time-exchange.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import type { RigPeers } from '#runtime/rig-peers.ts';
import { createPeerTime, type PeerTime } from './peer-time.ts';

/** What this node answers others with; undefined while it has no rig time. */
export interface OwnAnswer {
  readonly masterUs: number;
  readonly boundUs: number;
  readonly line: string;
}

export interface TimeTalk extends Unit {
  /** What was measured with another node of the rig. */
  with(cameraId: CameraId): PeerTime | undefined;
  readonly peers: readonly CameraId[];
  /** Datagrams that were not answered or believed, by reason, since the start. */
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Why there is no exchange; it is tried again every second. */
  readonly fault: TouchlineError | undefined;
}

export type DropReason = 'garbage' | 'foreign' | 'unexpected' | 'impossible';

const MASTER_EVERY_MS = 1000;
/** The others are asked now and then: to notice a disagreement, and to know them when one becomes the master. */
const OTHERS_EVERY = 4;
const BURST_COUNT = 8;
const BURST_EVERY_MS = 100;
/** An answer later than this is none. */
const ANSWER_PATIENCE_US = 1_000_000;

/** Asks the other nodes what time it is, and answers them. */
export function createTimeTalk(deps: {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly log: Logger;
  readonly exchange: TimeExchange;
  readonly peers: RigPeers;
  readonly master: () => CameraId;
  readonly ownTime: (monoUs: number) => OwnAnswer | undefined;
  /** Whether a line of time may be left for another one now. */
  readonly mayJump: () => boolean;
  readonly onAnswer: (from: CameraId) => void;
}): TimeTalk {
  const { config, clock, log, exchange } = deps;
  const peers = deps.peers.cameras;
  const times = new Map<CameraId, PeerTime>(peers.map((peer) => [peer, createPeerTime()]));
  const asked = new Map<string, { readonly peer: CameraId; readonly t1MonoUs: number }>();
  const dropped: Record<DropReason, number> = { garbage: 0, foreign: 0, unexpected: 0, impossible: 0 };
  const control = new AbortController();
  let fault: TouchlineError | undefined;
  let round = 0;
  let stops: (() => void)[] = [];

  /** Undefined while nobody has found it. */
  const addressOf = (peer: CameraId): ExchangeAddress | undefined => {
    const known = deps.peers.addressOf(peer);
    return known && { host: known.host, port: known.exchange_port };
  };

  const ask = async (peer: CameraId): Promise<void> => {
    const to = addressOf(peer);
    if (to === undefined) return;
    const nonce = randomBytes(16).toString('hex');
    const question: TimeQuestion = {
      v: 1,
      kind: 'question',
      rig: config.rig,
      from: config.camera_id,
      to: peer,
      boot_id: clock.bootId,
      nonce,
    };
    const bytes = Buffer.from(JSON.stringify(question));
    try {
      await exchange.send(to, (t1MonoUs) => {
        asked.set(nonce, { peer, t1MonoUs });
        return bytes;
      });
    } catch (error) {
      asked.delete(nonce);
      log.debug({ err: error, peer }, 'a question for the time was not sent');
    }
  };

  const answer = async (to: ExchangeAddress, question: TimeQuestion, t2MonoUs: number): Promise<void> => {
    await exchange.send(to, (t3MonoUs) => {
      const at2 = deps.ownTime(t2MonoUs);
      const at3 = deps.ownTime(t3MonoUs);
      if (at2 === undefined || at3 === undefined) throw new Error('rig time was lost while answering');
      const told: TimeAnswer = {
        ...question,
        kind: 'answer',
        from: config.camera_id,
        to: question.from,
        boot_id: clock.bootId,
        t2_us: at2.masterUs,
        t3_us: at3.masterUs,
        bound_us: Math.max(at2.boundUs, at3.boundUs),
        line: at3.line,
      };
      return Buffer.from(JSON.stringify(told));
    });
  };

  /** Takes a datagram in; the reason when it is neither answered nor believed. */
  const take = (datagram: TimedDatagram): DropReason | undefined => {
    const said = parse(datagram.bytes);
    if (said === undefined) return 'garbage';
    const peer = peers.find((camera) => camera === said.from);
    const from = peer && addressOf(peer);
    const ours = said.rig === config.rig && said.to === config.camera_id;
    if (!peer || !from || !ours || !exchange.isFrom(datagram, from)) return 'foreign';
    if (said.kind === 'question') {
      if (deps.ownTime(datagram.atMonoUs) === undefined) return undefined;
      answer(from, said, datagram.atMonoUs).catch((error: unknown) =>
        log.debug({ err: error, peer }, 'a question for the time was not answered'),
      );
      return undefined;
    }
    const question = asked.get(said.nonce);
    if (question === undefined || question.peer !== peer) return 'unexpected';
    asked.delete(said.nonce);
    const sample = {
      t1MonoUs: question.t1MonoUs,
      t2MasterUs: said.t2_us,
      t3MasterUs: said.t3_us,
      t4MonoUs: datagram.atMonoUs,
      peerBoundUs: said.bound_us,
    };
    try {
      times.get(peer)?.add(sample, said.line, deps.mayJump());
    } catch (error) {
      log.warn({ err: error, peer }, 'an answer that cannot be true was dropped');
      return 'impossible';
    }
    deps.onAnswer(peer);
    return undefined;
  };

  const hear = (datagram: TimedDatagram): void => {
    const reason = take(datagram);
    if (reason === undefined) return;
    dropped[reason]++;
    const { host, port } = datagram.from;
    log.debug({ reason, host, port }, 'a datagram of the exchange of time was dropped');
  };

  const forgetOld = (): void => {
    const oldestUs = clock.monoUs() - ANSWER_PATIENCE_US;
    for (const [nonce, { t1MonoUs }] of asked) if (t1MonoUs < oldestUs) asked.delete(nonce);
  };

  const burst = async (): Promise<void> => {
    for (let n = 0; n < BURST_COUNT; n++) {
      await Promise.all(peers.map(ask));
      await clock.sleepUntil(clock.monoUs() + BURST_EVERY_MS * 1000, 'next question', control.signal);
    }
  };

  const listen = async (): Promise<void> => {
    try {
      const at = await exchange.open(hear);
      fault = undefined;
      log.info({ host: at.host, port: at.port, peers: times.size }, 'exchange of time');
    } catch (error) {
      if (fault === undefined) log.error({ err: error }, 'there is no exchange of time');
      fault =
        error instanceof TouchlineError
          ? error
          : new TouchlineError('internal', 'the exchange of time failed', { cause: error });
      return;
    }
    burst().catch((error: unknown) => {
      if (!control.signal.aborted) log.error({ err: error }, 'the first questions for the time failed');
    });
  };

  const askAll = async (): Promise<void> => {
    if (fault) return listen();
    forgetOld();
    round++;
    const now = peers.filter((peer) => peer === deps.master() || round % OTHERS_EVERY === 0);
    await Promise.all(now.map(ask));
  };

  return {
    with: (cameraId) => times.get(cameraId),
    peers,
    dropped,
    get fault() {
      return fault;
    },
    async start() {
      if (peers.length === 0) return;
      stops = [clock.every(MASTER_EVERY_MS, 'exchange of time', askAll)];
      // Without it a match is recorded all the same: what is missing is told, and tried again.
      await listen();
    },
    async stop() {
      control.abort(new TouchlineError('shutting_down', 'sync-agent is stopping'));
      for (const stop of stops.splice(0)) stop();
      await exchange.close();
    },
  };
}

function parse(bytes: Uint8Array): TimeDatagram | undefined {
  try {
    const parsed = TimeDatagram.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
