import type { CommandArguments } from '#contracts/commands.ts';
import { TouchlineError } from '#contracts/errors.ts';
import { nodeLayout } from '#contracts/layout.ts';
import type { Mark } from '#contracts/moments.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { toWireTime } from '#contracts/time.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';
import type { Bus, CommandContext } from '#runtime/bus/bus.ts';
import type { RigClock } from './rig-clock.ts';
import type { Take } from './take.ts';

/** Moments of a session, kept beside its manifests: a mark that was answered for survives a power cut. */
export interface Moments {
  /** Throws `not_recording`, or what the disk says. */
  mark(input: CommandArguments<'moment'>, context: CommandContext): Promise<Mark>;
}

export function createMoments(deps: {
  readonly config: Pick<NodeConfig, 'camera_id'>;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly bus: Pick<Bus, 'emit'>;
  readonly rig: () => RigClock;
  readonly take: () => Take | undefined;
}): Moments {
  const { config, disk, clock, bus, rig, take } = deps;
  /** One line after the other. */
  let writing: Promise<unknown> = Promise.resolve();

  const append = async (path: string, mark: Mark): Promise<void> => {
    const before = await readText(disk, path);
    const file = await disk.open(path, before === undefined ? 'create' : 'existing');
    try {
      // A line that a power cut tore must not take the next one with it.
      const torn = before !== undefined && before !== '' && !before.endsWith('\n');
      await file.append(Buffer.from(`${torn ? '\n' : ''}${JSON.stringify(mark)}\n`));
      await file.sync();
    } finally {
      await file.close();
    }
  };

  return {
    async mark({ kind, label, ago_ms }, { issuedBy }) {
      const current = take();
      const recording = current?.progress();
      if (!current?.folder || !recording)
        throw new TouchlineError('not_recording', 'a moment can be marked while a recording runs');
      const monoUs = clock.monoUs() - ago_ms * 1000;
      const localUs = Math.round(wallAt(clock, monoUs));
      const mark: Mark = {
        v: 1,
        session_uid: current.sessionUid,
        session_id: current.sessionId,
        camera_id: config.camera_id,
        part: recording.part,
        kind,
        label: label ?? null,
        at: toWireTime(Math.round(rig().masterOfMono(monoUs) ?? localUs)),
        local: toWireTime(localUs),
        issued_by: issuedBy ?? null,
      };
      const path = nodeLayout.marks(current.folder, config.camera_id);
      const written = writing.then(() => append(path, mark));
      // Whoever asked learns of a failure; the next mark is tried all the same.
      writing = written.catch(() => undefined);
      await written;
      bus.emit('recording/moment', { mark });
      return mark;
    },
  };
}
