import type { TouchlineError, WireError } from '#contracts/errors.ts';
import { asDiskError } from './disk-error.ts';

/** What is wrong now. One per code: the latest says how it stands. */
export interface Faults {
  add(error: TouchlineError): void;
  addUnknown(error: unknown): void;
  /** It works again, whatever it was. */
  clear(): void;
  list(): WireError[];
}

/** Kept at most; more is one trouble told in many ways. */
const KEPT = 20;

export function createFaults(onFault: (error: TouchlineError) => void): Faults {
  let faults: TouchlineError[] = [];
  const add = (error: TouchlineError): void => {
    faults = [...faults.filter((fault) => fault.code !== error.code), error].slice(-KEPT);
    onFault(error);
  };
  return {
    add,
    addUnknown: (error) => add(asDiskError(error)),
    clear() {
      faults = [];
    },
    list: () => faults.map((fault) => fault.toWire()),
  };
}
