import { z } from 'zod';
import { COMMANDS, type CommandInput, type CommandKey } from '#contracts/commands.ts';
import { TouchlineError } from '#contracts/errors.ts';
import { CameraId } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { HttpApp } from '#runtime/http-app.ts';

/** Commands that go to one node, each with a route for this node and one for any camera of the rig. */
const DOORS = [
  { command: 'arm', own: nodeRoutes.arm, any: nodeRoutes.cameraArm, timeoutMs: 10_000 },
  { command: 'disarm', own: nodeRoutes.disarm, any: nodeRoutes.cameraDisarm, timeoutMs: 10_000 },
  // A clip of a minute at most, which is then read back and decoded.
  { command: 'selfTest', own: nodeRoutes.selfTest, any: nodeRoutes.cameraSelfTest, timeoutMs: 180_000 },
  { command: 'lockView', own: nodeRoutes.lockView, any: nodeRoutes.cameraLockView, timeoutMs: 20_000 },
  { command: 'audio', own: nodeRoutes.audio, any: nodeRoutes.cameraAudio, timeoutMs: 10_000 },
  { command: 'preview', own: nodeRoutes.previews, any: nodeRoutes.cameraPreviews, timeoutMs: 10_000 },
  { command: 'promote', own: nodeRoutes.promote, any: nodeRoutes.cameraPromote, timeoutMs: 10_000 },
  // A recording has to end first.
  { command: 'shutdown', own: nodeRoutes.shutdown, any: nodeRoutes.cameraShutdown, timeoutMs: 60_000 },
  {
    command: 'updateCheck',
    own: nodeRoutes.updateCheck,
    any: nodeRoutes.cameraUpdateCheck,
    timeoutMs: 30_000,
  },
  {
    command: 'updateApply',
    own: nodeRoutes.updateApply,
    any: nodeRoutes.cameraUpdateApply,
    timeoutMs: 30_000,
  },
  {
    command: 'updateRollback',
    own: nodeRoutes.updateRollback,
    any: nodeRoutes.cameraUpdateRollback,
    timeoutMs: 30_000,
  },
  { command: 'setTime', own: nodeRoutes.setTime, any: undefined, timeoutMs: 10_000 },
] as const satisfies readonly {
  command: CommandKey;
  own: string;
  any: string | undefined;
  timeoutMs: number;
}[];

/** Thin doors: input, answer and errors are those of the commands. */
export function nodeCommandRoutes(app: HttpApp, { config, bus }: { config: NodeConfig; bus: Bus }): void {
  for (const { command, own, any, timeoutMs } of DOORS) {
    // What fits which command is checked by the command's own schemas, here and by its service.
    const { about, input, output }: { about: string; input: z.ZodObject; output: z.ZodType } =
      COMMANDS[command];
    const ask = (cameraId: CameraId, body: unknown): Promise<unknown> =>
      bus.request(cameraId, command, body as CommandInput<typeof command>, { timeoutMs, issuedBy: 'rest' });
    // A command without arguments needs no body.
    const body = input.safeParse({}).success ? input.nullable() : input;
    app.post(own, { schema: { summary: about, body, response: { 200: output } } }, (request) =>
      ask(config.camera_id, request.body ?? {}),
    );
    if (any !== undefined)
      app.post(
        any,
        {
          schema: {
            summary: `On that camera: ${about}`,
            params: z.object({ camera_id: CameraId }),
            body,
            response: { 200: output },
          },
        },
        (request) => {
          const { camera_id } = request.params;
          if (!config.cameras.includes(camera_id))
            throw new TouchlineError(
              'not_found',
              `the rig has no ${camera_id}: ${config.cameras.join(', ')}`,
              {
                field: 'camera_id',
              },
            );
          return ask(camera_id, request.body ?? {});
        },
      );
  }
}
