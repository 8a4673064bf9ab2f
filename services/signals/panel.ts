import { TouchlineError } from '#contracts/errors.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { LedPattern } from '#contracts/signals.ts';
import {
  type Button,
  type ButtonAction,
  type ButtonRow,
  type Done,
  edge,
  foundButton,
  type Moved,
  nextLookUs,
  passTime,
} from '#domain/signals/button.ts';
import { frameAt } from '#domain/signals/looks.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { DrivenLines, Gpio, WatchedLines } from '#ports/gpio/gpio.ts';
import type { Logger } from '#runtime/logger.ts';

/** Button and LED of a node: taken when they are there, and again when they were gone. */
export interface Panel {
  readonly state: { readonly state: 'working' | 'failed'; readonly reason: string | null };
  readonly pressed: boolean;
  show(pattern: LedPattern): void;
  /** Takes the lines; a failure is told in `state`, and tried again by `retry`. */
  open(): Promise<void>;
  close(): Promise<void>;
}

export function createPanel(deps: {
  readonly config: Pick<NodeConfig, 'signals'>;
  readonly gpio: Gpio;
  readonly clock: Clock;
  readonly log: Logger;
  readonly row: () => ButtonRow;
  readonly onAction: (action: ButtonAction, pressedUs: number) => void;
  /** `state` or `pressed` is another one. */
  readonly onChange: () => void;
}): Panel {
  const { gpio, clock, log, onChange } = deps;
  const { lines, button_active_low, led_active_low } = deps.config.signals;
  let button: Button = foundButton(false, clock.monoUs());
  let watched: WatchedLines | undefined;
  let led: DrivenLines | undefined;
  let failure: TouchlineError | undefined = new TouchlineError('panel_failed', 'it is not open yet');
  let opening: Promise<void> | undefined;
  let closed = false;
  let shown: { readonly pattern: LedPattern; readonly sinceUs: number } = {
    pattern: 'off',
    sinceUs: clock.monoUs(),
  };
  let nextFrame = new AbortController();
  let nextLook = new AbortController();

  const fail = (error: unknown): void => {
    failure =
      error instanceof TouchlineError
        ? error
        : new TouchlineError('panel_failed', (error as Error).message, { cause: error });
    log.error({ err: failure }, 'button and LED do not work');
    onChange();
  };

  /** Calls `work` at an instant, unless `control` aborts. */
  const later = (atUs: number, what: string, control: AbortController, work: () => void): void => {
    clock.sleepUntil(atUs, what, control.signal).then(work, (error: unknown) => {
      if (!control.signal.aborted) throw error;
    });
  };

  const draw = (): void => {
    nextFrame.abort();
    nextFrame = new AbortController();
    if (led === undefined) return;
    const nowUs = clock.monoUs();
    const { colour, leftMs } = frameAt(shown.pattern, (nowUs - shown.sinceUs) / 1000);
    try {
      led.set([colour.red, colour.green, colour.blue]);
    } catch (error) {
      lose(error);
      return;
    }
    if (leftMs !== undefined) later(nowUs + leftMs * 1000, 'the next look of the LED', nextFrame, draw);
  };

  const act = (done: readonly Done[]): void => {
    for (const { action, pressedUs } of done) deps.onAction(action, pressedUs);
  };
  const moved = (next: Moved): void => {
    const changed = next.button.pressed !== button.pressed;
    button = next.button;
    act(next.done);
    if (changed) onChange();
    nextLook.abort();
    nextLook = new AbortController();
    const dueUs = nextLookUs(button);
    if (dueUs === undefined) return;
    later(dueUs, 'what the button does next', nextLook, () =>
      moved(passTime(button, clock.monoUs(), deps.row())),
    );
  };

  const release = async (): Promise<void> => {
    nextFrame.abort();
    nextLook.abort();
    const taken = [watched, led];
    watched = undefined;
    led = undefined;
    for (const lines of taken)
      await lines?.close().catch((error: unknown) => log.warn({ err: error }, 'lines were not let go'));
  };
  const lose = (error: unknown): void => {
    fail(error);
    release().catch((unknown: unknown) => log.error({ err: unknown }, 'button and LED were not let go'));
  };

  const take = async (): Promise<void> => {
    try {
      watched = await gpio.watch([lines.button], {
        activeLow: button_active_low,
        onEdge: ({ active, atUs }) => moved(edge(button, active, atUs, deps.row())),
        onLost: lose,
      });
      led = await gpio.drive([lines.red, lines.green, lines.blue], { activeLow: led_active_low });
      if (closed) return await release();
      // What is pressed already was not pressed for us.
      moved({ button: foundButton(watched.values()[0] === true, clock.monoUs()), done: [] });
      failure = undefined;
      log.info({ lines }, 'button and LED work');
      draw();
      onChange();
    } catch (error) {
      await release();
      fail(error);
    }
  };

  return {
    get state(): Panel['state'] {
      return failure === undefined
        ? { state: 'working', reason: null }
        : { state: 'failed', reason: failure.message };
    },
    get pressed() {
      return button.pressed;
    },
    show(pattern) {
      if (pattern === shown.pattern) return;
      shown = { pattern, sinceUs: clock.monoUs() };
      draw();
    },
    async open() {
      if (closed || (watched !== undefined && led !== undefined)) return;
      opening ??= take().finally(() => {
        opening = undefined;
      });
      await opening;
    },
    async close() {
      closed = true;
      await opening;
      await release();
    },
  };
}
