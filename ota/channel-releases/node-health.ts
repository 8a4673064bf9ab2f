import { nodeRoutes } from '#contracts/routes.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Units } from '#ports/units/units.ts';
import type { IsHealthy } from './outcomes.ts';

export interface NodeHealthParts {
  readonly units: Units;
  readonly services: readonly string[];
  /** Of the node's HTTP: `http://127.0.0.1:8080`. */
  readonly api: string;
  readonly clock: Pick<Clock, 'monoUs' | 'sleepUntil'>;
  readonly limits?: Partial<typeof LIMITS>;
}

/** A Pi starts all services in about ten seconds; one that falls over does so in the first. */
const LIMITS = { patienceMs: 90_000, steadyMs: 15_000, everyMs: 1000, answerMs: 3000 };

/**
 * Healthy is a node whose units all run and whose HTTP answers with a broker behind it, for `steadyMs` without a break; not healthy one that
 * has not got there after `patienceMs`, with what was missing last.
 */
export function nodeHealth({ units, services, api, clock, limits }: NodeHealthParts): IsHealthy {
  const { patienceMs, steadyMs, everyMs, answerMs } = { ...LIMITS, ...limits };

  const missing = async (): Promise<string | undefined> => {
    const [down] = await units.notRunning(services);
    if (down !== undefined) return `${down.name} is ${down.state}`;
    try {
      const response = await fetch(`${api}${nodeRoutes.health}`, { signal: AbortSignal.timeout(answerMs) });
      if (!response.ok) return `${api} answered with status ${response.status}`;
      const { broker } = (await response.json()) as { broker?: unknown };
      return broker === true ? undefined : 'the broker does not answer';
    } catch (error) {
      return `${api} does not answer: ${(error as Error).message}`;
    }
  };

  return async (version, signal) => {
    const endUs = clock.monoUs() + patienceMs * 1000;
    let steadySinceUs: number | undefined;
    for (;;) {
      const reason = await missing();
      const nowUs = clock.monoUs();
      if (reason !== undefined) steadySinceUs = undefined;
      else steadySinceUs ??= nowUs;
      if (steadySinceUs !== undefined && nowUs - steadySinceUs >= steadyMs * 1000) return { healthy: true };
      if (reason !== undefined && nowUs > endUs)
        return {
          healthy: false,
          reason: `${version} is not healthy after ${patienceMs / 1000} s: ${reason}`,
        };
      await clock.sleepUntil(nowUs + everyMs * 1000, 'the node to get healthy', signal);
    }
  };
}
