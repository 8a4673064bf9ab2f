/** What part of a wide picture a window shows. Pure: fractions, so that a window may change its size. */

export interface PanZoom {
  /** 1: the whole width. */
  readonly scale: number;
  /** Point of the picture in the middle of the window, 0 to 1 each. */
  readonly x: number;
  readonly y: number;
}

/** Window and picture: pixels of the window, width by height of the picture. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly aspect: number;
  readonly scaleMax: number;
}

export const FITTED: PanZoom = { scale: 1, x: 0.5, y: 0.5 };

/** The nearest view that shows nothing beside the picture, but for bars when it is lower than the window. */
export function held(view: PanZoom, frame: Frame): PanZoom {
  const scale = Math.min(frame.scaleMax, Math.max(1, view.scale));
  return { scale, x: inside(view.x, 0.5 / scale), y: inside(view.y, (0.5 * share(frame)) / scale) };
}

/** `at`: the point of the window that stays where it is, 0 to 1 each. */
export function zoomed(view: PanZoom, frame: Frame, factor: number, at = { x: 0.5, y: 0.5 }): PanZoom {
  const scale = Math.min(frame.scaleMax, Math.max(1, view.scale * factor));
  const change = 1 / view.scale - 1 / scale;
  return held(
    { scale, x: view.x + (at.x - 0.5) * change, y: view.y + (at.y - 0.5) * share(frame) * change },
    frame,
  );
}

/** The picture follows the finger: by these parts of the window. */
export function panned(view: PanZoom, frame: Frame, dx: number, dy: number): PanZoom {
  return held({ ...view, x: view.x - dx / view.scale, y: view.y - (dy * share(frame)) / view.scale }, frame);
}

/** For a picture as wide as the window, with its origin in the upper left corner. */
export function transformOf({ scale, x, y }: PanZoom, { width, height, aspect }: Frame): string {
  const left = width / 2 - x * width * scale;
  const top = height / 2 - y * (width / aspect) * scale;
  return `translate(${left.toFixed(2)}px, ${top.toFixed(2)}px) scale(${scale.toFixed(4)})`;
}

/** Height of the window by the height of the fitted picture. */
function share({ width, height, aspect }: Frame): number {
  return (height * aspect) / width;
}

function inside(value: number, half: number): number {
  return half >= 0.5 ? 0.5 : Math.min(1 - half, Math.max(half, value));
}
