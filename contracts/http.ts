import { z } from 'zod';
import { WireTime } from './time.ts';

/** HTTP that node and central have in common: bodies of routes, and messages of the event stream. */

/** `beat`: sent every two seconds, so that a page sees a dead connection before the browser does. */
export const Beat = z.object({ at: WireTime }).describe('A sign of life');
export type Beat = z.infer<typeof Beat>;

/** `reset`: nothing that was missed can be sent again; everything is to be loaded anew. */
export const Reset = z.object({ at: WireTime }).describe('Load everything anew');
export type Reset = z.infer<typeof Reset>;
