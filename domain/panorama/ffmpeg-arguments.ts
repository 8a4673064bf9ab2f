import type { Layout } from './layout.ts';

export interface StitchInput {
  readonly path: string;
  /** Where in the file, counted from its first video frame, the common span begins. */
  readonly offsetSec: number;
  /** How long after the start of the file (which may be audio) its first video frame comes. */
  readonly leadSec: number;
}

export interface StitchPlan {
  /** From left to right. */
  readonly inputs: readonly StitchInput[];
  readonly layout: Layout;
  readonly fps: number;
  readonly frames: number;
  readonly codec: 'h264' | 'h265';
  readonly preset: string;
  readonly output: string;
}

/** Constant quality; 23 is the encoder's own default, lower is better. */
const CRF = '20';

/**
 * Arguments of ffmpeg for views side by side with a linear blend where they overlap. Every view is put on one common
 * time base, frame 0 at the start of the span; the blend is one mask, made once. Progress comes on stdout.
 */
export function stitchArguments(plan: StitchPlan): string[] {
  const encoder =
    plan.codec === 'h264'
      ? ['-c:v', 'libx264']
      : ['-c:v', 'libx265', '-tag:v', 'hvc1', '-x265-params', 'log-level=error'];
  return [
    ...['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'warning', '-progress', 'pipe:1', '-y'],
    ...plan.inputs.flatMap((input) => ['-ss', seconds(seekOf(input, plan.fps)), '-i', input.path]),
    ...['-filter_complex', filterGraph(plan), '-map', '[panorama]', '-an'],
    ...['-frames:v', String(plan.frames)],
    ...encoder,
    ...['-preset', plan.preset, '-crf', CRF, '-pix_fmt', 'yuv420p', '-g', String(2 * plan.fps)],
    ...['-movflags', '+faststart', '-f', 'mp4', plan.output],
  ];
}

/**
 * A little before the first frame that is wanted, so that the frame nearest to the start of the span is among those
 * decoded; the rest of the way is gone by time stamps.
 */
function seekOf(input: StitchInput, fps: number): number {
  return Math.max(0, input.leadSec + input.offsetSec - 2 / fps);
}

function filterGraph({ inputs, layout, fps }: StitchPlan): string {
  const { viewWidths, height, overlap } = layout;
  const last = inputs.length - 1;
  const chains = inputs.map((input, index) => {
    const shift = input.leadSec + input.offsetSec - seekOf(input, fps);
    return (
      `[${index}:v:0]setpts=PTS-${seconds(shift)}/TB,fps=${fps}:start_time=0:round=near,` +
      `scale=${viewWidths[index]}:${height}:flags=bicubic,setsar=1,format=yuv420p`
    );
  });
  if (overlap === 0 || last === 0) {
    const labels = inputs.map((_, index) => `[view${index}]`);
    const joined =
      last === 0
        ? `${labels[0]}null[panorama]`
        : `${labels.join('')}hstack=inputs=${labels.length}[panorama]`;
    return [...chains.map((chain, index) => `${chain}[view${index}]`), joined].join(';');
  }

  // Each view gives its body, and a strip for each neighbour.
  const cuts: string[] = [];
  const row: string[] = [];
  chains.forEach((chain, index) => {
    const width = viewWidths[index] ?? 0;
    const hasLeft = index > 0;
    const hasRight = index < last;
    const pieces = [
      ...(hasLeft ? [{ name: `over${index}`, from: 0, width: overlap }] : []),
      {
        name: `body${index}`,
        from: hasLeft ? overlap : 0,
        width: width - (hasLeft ? overlap : 0) - (hasRight ? overlap : 0),
      },
      ...(hasRight ? [{ name: `under${index}`, from: width - overlap, width: overlap }] : []),
    ];
    cuts.push(`${chain},split=${pieces.length}${pieces.map(({ name }) => `[${name}in]`).join('')}`);
    for (const piece of pieces)
      cuts.push(`[${piece.name}in]crop=${piece.width}:${height}:${piece.from}:0[${piece.name}]`);
    if (hasLeft) row.push(`[seam${index}]`);
    row.push(`[body${index}]`);
  });

  const ramp = "'255*(X+0.5)/W'";
  const masks = inputs.slice(1).map((_, index) => `[mask${index + 1}]`);
  cuts.push(
    `color=c=black:s=${overlap}x${height}:r=1:d=1,format=yuv420p,trim=end_frame=1,` +
      `geq=lum=${ramp}:cb=${ramp}:cr=${ramp},split=${last}${masks.join('')}`,
  );
  for (let index = 1; index <= last; index += 1)
    cuts.push(`[under${index - 1}][over${index}][mask${index}]maskedmerge[seam${index}]`);
  cuts.push(`${row.join('')}hstack=inputs=${row.length}[panorama]`);
  return cuts.join(';');
}

const seconds = (value: number): string => value.toFixed(6);
