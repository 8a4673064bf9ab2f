import type { UpdatesConfig } from '#contracts/updates.ts';

/** Whether a minute of the local day (0 to 1439) is in the window; one that ends before it begins goes over midnight. */
export function isInWindow(minuteOfDay: number, { from, to }: UpdatesConfig['window']): boolean {
  const [begin, end] = [minutes(from), minutes(to)];
  if (begin === end) return true;
  return begin < end ? minuteOfDay >= begin && minuteOfDay < end : minuteOfDay >= begin || minuteOfDay < end;
}

function minutes(timeOfDay: string): number {
  const [hours = 0, rest = 0] = timeOfDay.split(':').map(Number);
  return hours * 60 + rest;
}
