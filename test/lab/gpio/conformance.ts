import { deepStrictEqual, rejects } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '#ports/clock/clock.ts';
import { characterDeviceGpio } from '#ports/gpio/character-device.ts';
import { gpioConformance } from '#ports/gpio/conformance.ts';
import { addChip, type Chip, isHigh, pull, removeChip } from './chips.ts';

const PATIENCE_MS = 5000;
const ONE: Chip = { name: 'one', label: 'lab-one', lines: 8, named: { 2: 'button', 3: 'red', 4: 'green' } };
const TWO: Chip = { name: 'two', label: 'lab-two', lines: 4, named: { 1: 'blue' } };

/** The suite that every GPIO passes, on the kernel's simulator, its chips numbered in either order. Returns how many claims held. */
export async function kernelConformance(clock: Clock): Promise<number> {
  let claims = 0;
  for (const chips of [
    [ONE, TWO],
    [TWO, ONE],
  ]) {
    for (const chip of chips) addChip(chip);
    claims += await passes(clock);
    for (const chip of chips) removeChip(chip);
  }
  return claims;
}

async function passes(clock: Clock): Promise<number> {
  let claims = 0;
  const holds = (message: string, found: unknown, wanted: unknown): void => {
    claims++;
    deepStrictEqual(found, wanted, message);
  };
  const place = (line: string): [string, number] => {
    for (const { label, named } of [ONE, TWO])
      for (const [offset, name] of Object.entries(named)) if (name === line) return [label, Number(offset)];
    throw new Error(`no chip has a line ${line}`);
  };
  await gpioConformance(
    {
      equal: (found, wanted, message) => holds(message, found, wanted),
      same: (found, wanted, message) => holds(message, found, wanted),
      ok: (value, message) => holds(message, Boolean(value), true),
      async rejects(promise, wanted, message) {
        claims++;
        await rejects(promise, wanted, message);
      },
    },
    {
      gpio: characterDeviceGpio(),
      monoUs: () => clock.monoUs(),
      button: { label: ONE.label, offset: 2 },
      pull: async (line, high) => pull(...place(line), high),
      isHigh: async (line) => isHigh(...place(line)),
      async until(what, condition) {
        const deadline = performance.now() + PATIENCE_MS;
        while (!condition()) {
          if (performance.now() > deadline) throw new Error(`waited ${PATIENCE_MS} ms for ${what}`);
          await sleep(2);
        }
      },
    },
  );
  return claims;
}
