import type { Graph } from './ffmpeg-arguments.ts';
import type { Layout } from './layout.ts';

/** Views side by side with a linear blend where they overlap; the blend is one mask, made once. */
export function sideBySideGraph(layout: Layout): Graph {
  return { stills: [], filters: (chains) => filters(chains, layout) };
}

function filters(grid: readonly string[], { viewWidths, height, overlap }: Layout): string {
  const last = grid.length - 1;
  const chains = grid.map(
    (chain, index) => `${chain},scale=${viewWidths[index]}:${height}:flags=bicubic,setsar=1,format=yuv420p`,
  );
  if (overlap === 0 || last === 0) {
    const labels = grid.map((_, index) => `[view${index}]`);
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
  const masks = grid.slice(1).map((_, index) => `[mask${index + 1}]`);
  cuts.push(
    `color=c=black:s=${overlap}x${height}:r=1:d=1,format=yuv420p,trim=end_frame=1,` +
      `geq=lum=${ramp}:cb=${ramp}:cr=${ramp},split=${last}${masks.join('')}`,
  );
  for (let index = 1; index <= last; index += 1)
    cuts.push(`[under${index - 1}][over${index}][mask${index}]maskedmerge[seam${index}]`);
  cuts.push(`${row.join('')}hstack=inputs=${row.length}[panorama]`);
  return cuts.join(';');
}
