/** Where each view goes in a picture of views laid side by side. All sizes in pixels, all of them even. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly overlap: number;
  /** Widths of the views after scaling to the common height, from left to right. */
  readonly viewWidths: number[];
}

/** 4:2:0 video has one chroma sample for two pixels. */
const even = (value: number): number => 2 * Math.round(value / 2);
const evenDown = (value: number): number => 2 * Math.floor(value / 2);

/**
 * Views side by side, scaled to the smallest common height, neighbours overlapping by `overlap` pixels.
 * Throws `RangeError` when the overlap leaves nothing of a view.
 */
export function sideBySide(
  views: readonly { readonly width: number; readonly height: number }[],
  overlap: number,
): Layout {
  const height = evenDown(Math.min(...views.map((view) => view.height)));
  const viewWidths = views.map((view) => even((view.width * height) / view.height));
  const seams = views.length - 1;
  const narrowest = Math.min(...viewWidths);
  if (overlap % 2 !== 0 || overlap < 0 || 2 * overlap >= narrowest)
    throw new RangeError(
      `an overlap of ${overlap} px must be even and less than half of the narrowest view (${narrowest} px)`,
    );
  const width = viewWidths.reduce((sum, each) => sum + each, 0) - seams * overlap;
  return { width, height, overlap, viewWidths };
}
