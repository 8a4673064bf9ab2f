import type { NodeConfig } from '#contracts/node-config.ts';
import type { RecorderState } from '#contracts/states.ts';
import { createGovernor } from '#domain/preview/governor.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Vitals } from '#ports/vitals/vitals.ts';
import type { Preview } from './preview.ts';

/** Whether there are previews: switched by people, and given up by themselves while the machine is busy. */
export interface Previews {
  readonly state: RecorderState['preview'];
  switch(enabled: boolean): void;
  /** Looks at the load of the machine; to be called on a beat. */
  look(): void;
}

export function createPreviews(deps: {
  config: Pick<NodeConfig, 'preview'>;
  vitals: Vitals;
  clock: Clock;
  preview: Pick<Preview, 'forbid'>;
}): Previews {
  const { vitals, clock, preview } = deps;
  const { off_above_cpu_percent, on_below_cpu_percent } = deps.config.preview;
  const governor = createGovernor({
    offAbovePercent: off_above_cpu_percent,
    onBelowPercent: on_below_cpu_percent,
  });
  let enabled = true;
  let busy: string | null = null;
  const apply = (): void => preview.forbid(enabled ? busy : 'previews are switched off');
  return {
    get state(): RecorderState['preview'] {
      if (!enabled) return { state: 'off', reason: 'switched off' };
      return busy === null ? { state: 'on', reason: null } : { state: 'yielding', reason: busy };
    },
    switch(wanted) {
      enabled = wanted;
      apply();
    },
    look() {
      const percent = vitals.cpuPercent();
      const allowed = governor.look(clock.monoUs(), percent);
      const was = busy;
      if (allowed) busy = null;
      else busy ??= `the processors are busy (${percent?.toFixed(0)} %): the recording comes first`;
      if (busy !== was) apply();
    },
  };
}
