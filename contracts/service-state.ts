import { z } from 'zod';
import { WireTime } from './time.ts';

/** Common to all service states. `online: false` is the service's last will. */
export const serviceState = {
  v: z.literal(1),
  online: z.boolean(),
  run_id: z.string(),
  at: WireTime,
} as const;
