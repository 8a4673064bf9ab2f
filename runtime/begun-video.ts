import { TouchlineError } from '#contracts/errors.ts';
import { fragmentReader } from '#domain/fmp4/fragments.ts';
import type { Disk } from '#ports/disk/disk.ts';

/** What there is of a video that was begun: pictures, nothing yet, or bytes that are no video. */
export type Begun = 'pictures' | 'nothing' | 'damaged';

/**
 * Looks at the beginning of a video. `nothing`: not there, empty, zeros (what a power cut leaves of blocks that were never written), or
 * cut off before its first whole fragment.
 */
export async function lookAtBegun(disk: Disk, path: string): Promise<Begun> {
  const reader = fragmentReader();
  let zeros = true;
  let damaged = false;
  try {
    for await (const chunk of disk.read(path)) {
      zeros &&= chunk.every((byte) => byte === 0);
      if (damaged) {
        if (!zeros) return 'damaged';
        continue;
      }
      try {
        for (const part of reader.push(chunk))
          if (part.kind === 'fragment' && part.times.length > 0) return 'pictures';
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        damaged = true;
        if (!zeros) return 'damaged';
      }
    }
  } catch (error) {
    if (!(error instanceof TouchlineError && error.code === 'not_found')) throw error;
  }
  return 'nothing';
}
