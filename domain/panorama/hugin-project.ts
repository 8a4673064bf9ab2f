import type { RectilinearCamera } from '../camera-geometry/rectilinear.ts';

/** A detail that two cameras see: positions in their pictures. Cameras are counted from the left, from 0. */
export interface ControlPoint {
  readonly left: number;
  readonly right: number;
  readonly leftX: number;
  readonly leftY: number;
  readonly rightX: number;
  readonly rightY: number;
}

export interface HuginImage {
  readonly camera: RectilinearCamera;
  readonly file: string;
}

export interface HuginProject {
  readonly images: readonly HuginImage[];
  readonly points: readonly ControlPoint[];
  /** Rows at the top of each picture in which nothing is looked for: burned-in clocks differ between cameras. */
  readonly maskedRows: number;
  /** The picture that stays where it is; yaw, pitch and roll of the others are to be found. */
  readonly reference: number;
}

/** A project of Hugin's as text (`.pto`): https://hugin.sourceforge.io/docs/manual/PTOptimizer.html */
export function huginProject({ images, points, maskedRows, reference }: HuginProject): string {
  const lines = [
    '# hugin project file',
    'p f1 w3000 h1500 v180 n"TIFF_m c:LZW"',
    'm g1 i0 f0 m2 p0.00784314',
    ...images.map(({ camera, file }) => {
      const { width, height, hfovDeg, yawDeg, pitchDeg, rollDeg } = camera;
      return `i w${width} h${height} f0 v${hfovDeg} r${rollDeg} p${pitchDeg} y${yawDeg} n"${file}"`;
    }),
    ...images.flatMap((_, index) => (index === reference ? [] : [`v y${index} p${index} r${index}`])),
    'v',
    ...points.map(
      (point) =>
        `c n${point.left} N${point.right} x${point.leftX} y${point.leftY} X${point.rightX} Y${point.rightY} t0`,
    ),
  ];
  if (maskedRows > 0)
    images.forEach(({ camera: { width } }, index) => {
      lines.push(`k i${index} t0 p"0 0 ${width} 0 ${width} ${maskedRows} 0 ${maskedRows}"`);
    });
  return `${lines.join('\n')}\n`;
}

/** The control points of a project, the camera further left first. Those within one picture, or of lines, are left out. */
export function controlPointsOf(project: string): ControlPoint[] {
  return linesOf(project, 'c').flatMap((words) => {
    const value = (name: string): number => numberOf(words, name);
    if (numberOf(words, 't', 0) !== 0 || value('n') === value('N')) return [];
    const one = { index: value('n'), x: value('x'), y: value('y') };
    const other = { index: value('N'), x: value('X'), y: value('Y') };
    const [left, right] = one.index < other.index ? [one, other] : [other, one];
    return [
      {
        left: left.index,
        right: right.index,
        leftX: left.x,
        leftY: left.y,
        rightX: right.x,
        rightY: right.y,
      },
    ];
  });
}

/** Yaw, pitch and roll of the images of a project, degrees. */
export function anglesOf(project: string): { yawDeg: number; pitchDeg: number; rollDeg: number }[] {
  return linesOf(project, 'i').map((words) => ({
    yawDeg: numberOf(words, 'y'),
    pitchDeg: numberOf(words, 'p'),
    rollDeg: numberOf(words, 'r'),
  }));
}

function linesOf(project: string, letter: string): string[][] {
  return project
    .split('\n')
    .filter((line) => line.startsWith(`${letter} `))
    .map((line) => line.split(/\s+/).slice(1));
}

/** Throws `RangeError` when the word is not there: then Hugin wrote something that we do not know. */
function numberOf(words: readonly string[], name: string, otherwise?: number): number {
  const found = words.find((word) => word.startsWith(name) && /^-?[\d.]/.test(word.slice(name.length)));
  const value = found === undefined ? otherwise : Number(found.slice(name.length));
  if (value === undefined || !Number.isFinite(value))
    throw new RangeError(`Hugin's project has no number "${name}" in "${words.join(' ')}"`);
  return value;
}
