import type { CylinderPlan } from './cylinder.ts';
import { AROUND, type Correction, type Correction420, UNCHANGED } from './exposure.ts';
import type { Graph } from './ffmpeg-arguments.ts';

/** Files of a warp map, as PGM. */
export interface WarpFiles {
  readonly x: string;
  readonly y: string;
  readonly rightShare: string;
  readonly lowerShare: string;
}

export interface WarpStills {
  /** Of each view, from left to right. */
  readonly views: readonly { readonly luma: WarpFiles; readonly chroma: WarpFiles }[];
  /** Share of the right view in each blend, at the size of a plane. */
  readonly seams: readonly { readonly luma: string; readonly chroma: string }[];
}

type PlaneName = keyof Correction420;

/**
 * Views warped onto the cylinder, their levels matched, blended at the seams. `remap` takes the nearest pixel; so each plane is remapped
 * four times, from pictures shifted by a pixel, and the four are merged by weights: exact to the rounding of 8 bits
 * (docs/adr/0005-panorama-sampling.md). Planes stay apart until the whole picture is there.
 */
export function warpGraph(
  plan: CylinderPlan,
  stills: WarpStills,
  corrections: readonly Correction420[],
): Graph {
  const files = [
    ...stills.views.flatMap(({ luma, chroma }) => [luma, chroma].flatMap(filesOf)),
    ...stills.seams.flatMap(({ luma, chroma }) => [luma, chroma]),
  ];
  return { stills: files, filters: (chains) => filters(chains, plan, corrections) };
}

const FILES_PER_MAP = 4;
const filesOf = ({ x, y, rightShare, lowerShare }: WarpFiles): string[] => [x, y, rightShare, lowerShare];

function filters(
  chains: readonly string[],
  plan: CylinderPlan,
  corrections: readonly Correction420[],
): string {
  const graph: string[] = [];
  const views = chains.length;
  const stillsOfView = 2 * FILES_PER_MAP;

  chains.forEach((chain, view) => {
    graph.push(`${chain},format=yuv420p,extractplanes=y+u+v[y${view}][u${view}][v${view}]`);
    const still = views + view * stillsOfView;
    fanMap(graph, still, `${view}luma`, 1);
    fanMap(graph, still + FILES_PER_MAP, `${view}chroma`, 2);
    const correction = corrections[view] ?? UNCHANGED;
    sample(graph, `y${view}`, `${view}luma`, 0, level('y', correction.y));
    sample(graph, `u${view}`, `${view}chroma`, 0, level('u', correction.u));
    sample(graph, `v${view}`, `${view}chroma`, 1, level('v', correction.v));
  });
  plan.seams.forEach((_, seam) => {
    const still = views * (1 + stillsOfView) + 2 * seam;
    graph.push(`[${still}:v]format=gray[mask${seam}y]`);
    graph.push(`[${still + 1}:v]format=gray,split=2[mask${seam}u][mask${seam}v]`);
  });
  for (const plane of ['y', 'u', 'v'] as const) join(graph, plane, plan, views);
  graph.push('[yall][uall][vall]mergeplanes=map1s=1:map2s=2:format=yuv420p,setsar=1[panorama]');
  return graph.join(';');
}

/** A map's four pictures, as often as they are used: four samples of `planes` planes each. */
function fanMap(graph: string[], still: number, name: string, planes: number): void {
  const fan = (offset: number, part: string, format: string, count: number): void => {
    const labels = Array.from({ length: count }, (_, index) => `[${part}${name}${index}]`);
    graph.push(
      `[${still + offset}:v]format=${format}${count > 1 ? `,split=${count}` : ''}${labels.join('')}`,
    );
  };
  fan(0, 'x', 'gray16le', 4 * planes);
  fan(1, 'y', 'gray16le', 4 * planes);
  fan(2, 'right', 'gray', 2 * planes);
  fan(3, 'lower', 'gray', planes);
}

/** Bilinear sampling of one plane: the four neighbours, merged in rows, then the rows. Ends in `[{plane}s]`. */
function sample(graph: string[], plane: string, map: string, use: number, levels: string): void {
  const neighbours = [
    { name: 'a', shift: '' },
    { name: 'b', shift: 'crop=iw-1:ih:1:0,' },
    { name: 'c', shift: 'crop=iw:ih-1:0:1,' },
    { name: 'd', shift: 'crop=iw-1:ih-1:1:1,' },
  ];
  graph.push(`[${plane}]split=4${neighbours.map(({ name }) => `[${plane}${name}]`).join('')}`);
  neighbours.forEach(({ name, shift }, index) => {
    const at = 4 * use + index;
    const source = shift === '' ? `[${plane}${name}]` : `[${plane}${name}p]`;
    if (shift !== '') graph.push(`[${plane}${name}]${shift.slice(0, -1)}${source}`);
    graph.push(`${source}[x${map}${at}][y${map}${at}]remap=format=gray[${plane}${name}r]`);
  });
  graph.push(`[${plane}ar][${plane}br][right${map}${2 * use}]maskedmerge[${plane}upper]`);
  graph.push(`[${plane}cr][${plane}dr][right${map}${2 * use + 1}]maskedmerge[${plane}under]`);
  graph.push(`[${plane}upper][${plane}under][lower${map}${use}]maskedmerge${levels}[${plane}s]`);
}

/** The look-up table that matches the levels of a plane; nothing when they stay. */
function level(plane: PlaneName, { gain, offset }: Correction): string {
  if (gain === 1 && offset === 0) return '';
  const around = AROUND[plane];
  return `,lut=c0='clip(round((val-${around})*${gain.toFixed(5)}+${(around + offset).toFixed(4)}),0,255)'`;
}

/** The warped views of one plane in a row, neighbours blended. */
function join(
  graph: string[],
  plane: PlaneName,
  { cylinder, regions, seams }: CylinderPlan,
  views: number,
): void {
  const half = plane === 'y' ? 1 : 2;
  const height = cylinder.height / half;
  const row: string[] = [];
  for (let view = 0; view < views; view++) {
    const region = regions[view] ?? { from: 0, to: 0 };
    const [before, after] = [seams[view - 1], seams[view]];
    const bodyFrom = before?.to ?? region.from;
    const bodyTo = after?.from ?? region.to;
    const pieces = [
      ...(before ? [{ name: 'over', from: before.from, to: before.to }] : []),
      ...(bodyTo > bodyFrom ? [{ name: 'body', from: bodyFrom, to: bodyTo }] : []),
      ...(after ? [{ name: 'under', from: after.from, to: after.to }] : []),
    ];
    const label = (name: string): string => `${plane}${view}${name}`;
    const cut = pieces.map(({ name }) => `[${label(name)}in]`).join('');
    graph.push(`[${plane}${view}s]split=${pieces.length}${cut}`);
    for (const { name, from, to } of pieces)
      graph.push(
        `[${label(name)}in]crop=${(to - from) / half}:${height}:${(from - region.from) / half}:0[${label(name)}]`,
      );
    if (before) {
      const seam = view - 1;
      graph.push(
        `[${plane}${seam}under][${label('over')}][mask${seam}${plane}]maskedmerge[${plane}seam${seam}]`,
      );
      row.push(`[${plane}seam${seam}]`);
    }
    if (bodyTo > bodyFrom) row.push(`[${label('body')}]`);
  }
  graph.push(`${row.join('')}${row.length > 1 ? `hstack=inputs=${row.length}` : 'null'}[${plane}all]`);
}
