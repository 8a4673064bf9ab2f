import { z } from 'zod';
import { WireError } from './errors.ts';
import { serviceState } from './service-state.ts';
import { WireTime } from './time.ts';

/** Updates: what can be set, what is told of them, and what is kept. */

const timeOfDay = (value: string) =>
  z
    .string()
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day, such as 03:30')
    .default(value);

const absolutePath = z.string().regex(/^\/.+\/[^/]+$/, 'must be an absolute path');

export const UpdatesConfig = z
  .strictObject({
    channel: z
      .enum(['none', 'balena', 'releases'])
      .default('none')
      .describe(
        '`balena`: the Supervisor of balenaOS brings and installs updates; `releases`: signed releases come from a feed; `none`: nothing is updated by this program',
      ),
    releases: z
      .strictObject({
        feed: z
          .url({ protocol: /^https?$/ })
          .optional()
          .describe(
            'Address that offers releases: https://api.github.com/repos/OWNER/REPOSITORY, or the same path of `./touchline release serve`',
          ),
        keys: absolutePath
          .default('/etc/touchline/release-keys')
          .describe('File of the public keys that are trusted, a line of `./touchline release keygen` each'),
        root: absolutePath
          .default('/opt/touchline')
          .describe('Folder that the software of the node is installed in'),
      })
      .prefault({})
      .describe('Used with `updates.channel: releases`'),
    automatic: z
      .enum(['never', 'window', 'always'])
      .default('window')
      .describe(
        '`never`: an update waits until a person applies it; `window`: it is applied by itself in the hours of `updates.window`; `always`: as soon as nothing records',
      ),
    window: z
      .strictObject({
        from: timeOfDay('02:00').describe('Local time'),
        to: timeOfDay('05:00').describe('Local time; before `from` it is on the next day'),
      })
      .prefault({}),
    whole_rig: z
      .boolean()
      .default(true)
      .describe('An update waits until all cameras of the rig have it, so that all run one version or none'),
    check_interval_min: z
      .int()
      .min(1)
      .max(10_080)
      .default(60)
      .describe('Minutes between two questions for something newer'),
    health_patience_sec: z
      .int()
      .min(1)
      .max(3600)
      .default(180)
      .describe('After an update all services must run within this time'),
    host_lock: absolutePath
      .default('/tmp/balena/updates.lock')
      .describe('Update lock of the operating system; not used where its folder is not there'),
  })
  .superRefine(({ channel, releases }, context) => {
    if (channel === 'releases' && releases.feed === undefined)
      context.addIssue({
        code: 'custom',
        path: ['releases', 'feed'],
        message: 'must be set when channel is "releases": the address that offers them',
      });
  })
  .describe('Updates of this software');
export type UpdatesConfig = z.infer<typeof UpdatesConfig>;

export const UpdatePhase = z
  .enum(['idle', 'downloading', 'waiting', 'queued', 'applying', 'verifying', 'rolling-back'])
  .describe(
    '`waiting`: downloaded, until somebody applies it; `queued`: applied by itself as soon as `reason` is gone; `verifying`: it runs, and is looked at',
  );
export type UpdatePhase = z.infer<typeof UpdatePhase>;

export const UpdateResult = z
  .enum(['committed', 'rolled_back', 'failed'])
  .describe(
    '`rolled_back`: the version before runs again; `failed`: it could not be installed, or runs badly',
  );
export type UpdateResult = z.infer<typeof UpdateResult>;

export const UpdateEntry = z
  .object({
    version: z.string(),
    from: z.string().describe('The version before'),
    at: WireTime.describe('When it ended'),
    source: z.string().describe('`automatic`, `elsewhere`, or who asked: `rest`, `mqtt`, …'),
    result: UpdateResult,
    reason: z.string().describe('Why it ended so, in words'),
  })
  .describe('One update in the history');
export type UpdateEntry = z.infer<typeof UpdateEntry>;

/** The state machine of updates, as it is kept over restarts. */
export const UpdatesRecord = z
  .object({
    v: z.literal(1),
    phase: UpdatePhase,
    current: z.string().nullable().describe('The version that runs; null before it is known'),
    known_as: z
      .string()
      .nullable()
      .describe('Under which name it was offered, where that is another than the one it has now'),
    version: z.string().nullable().describe('The version that is to come, or that is looked at'),
    from: z.string().nullable().describe('The version before, while something is under way'),
    since_us: z
      .number()
      .describe(
        'Since when it is in this phase or failed last, monotonic microseconds of the boot it was written in',
      ),
    asked_by: z.string().nullable().describe('Who wants it applied as soon as it can be; null: nobody'),
    alone: z.boolean().describe('Whether that is also meant when other cameras do not have it'),
    attempts: z.int().min(0),
    reason: z.string().nullable().describe('Why it waits'),
    owner: z.string().nullable().describe('Who is waited for: a service, a camera, the window, a person'),
    problem: z.string().nullable().describe('What went wrong last'),
    avoided: z.array(z.string()).describe('Versions that failed here: only applied again when asked for'),
    history: z.array(UpdateEntry).describe('The latest first'),
  })
  .describe('What the updater keeps');
export type UpdatesRecord = z.infer<typeof UpdatesRecord>;

export const UpdaterState = z
  .object({
    ...serviceState,
    channel: z.string(),
    phase: UpdatePhase,
    current: z.string().nullable().describe('The version that runs, as the channel calls it'),
    known_as: z.string().nullable().describe('Under which name it was offered, where that is another'),
    previous: z.string().nullable().describe('What a rollback would go back to; null when it cannot'),
    version: z.string().nullable().describe('The version that is to come, or that is looked at'),
    progress: z.number().min(0).max(1).nullable().describe('Of the download'),
    reason: z.string().nullable().describe('Why it waits, in words'),
    owner: z.string().nullable().describe('Who is waited for: a service, a camera, the window, a person'),
    lock: z
      .object({ owner: z.string(), reason: z.string() })
      .nullable()
      .describe('Who keeps updates from being applied now'),
    checked_at: WireTime.nullable().describe('When the source was last asked'),
    avoided: z.array(z.string()).describe('Versions that failed here'),
    history: z.array(UpdateEntry).describe('The latest first'),
    warnings: z.array(WireError),
  })
  .describe('State of the updater');
export type UpdaterState = z.infer<typeof UpdaterState>;

export const UpdateApplyInput = z.object({
  queue: z
    .boolean()
    .default(false)
    .describe('When it cannot be applied now: as soon as it can, instead of a refusal'),
  alone: z.boolean().default(false).describe('Also when other cameras of the rig do not have it'),
});

export const UpdateAnswer = z.object({
  phase: UpdatePhase,
  current: z.string().nullable(),
  version: z.string().nullable(),
  reason: z.string().nullable().describe('Why it waits'),
});
