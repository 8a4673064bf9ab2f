import { ACTION_WORDS, BUTTON, type ButtonRow } from '#domain/signals/button.ts';
import { type ColourName, LOOKS, PRIORITY, type Step } from '#domain/signals/looks.ts';

/** The picture of docs/button-and-light.md, drawn from the tables that the service uses: it cannot show anything else. */

const WIDTH = 880;
const ROW = 46;
const TOP = 70;
/** The looks are drawn as they are over this time, from left to right. */
const SHOWN_MS = 4000;
const STRIP = { x: 40, width: 230, height: 22 } as const;
const FILLS: Readonly<Record<ColourName, string>> = {
  dark: '#2b332f',
  red: '#d43a30',
  green: '#3f9d57',
  blue: '#3570c9',
  amber: '#f0a422',
  white: '#ffffff',
};
const ROWS: readonly ButtonRow[] = ['idle', 'recording', 'preparing'];

const text = (x: number, y: number, words: string, style = ''): string =>
  `<text x="${x}" y="${y}"${style}>${words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`;

/** What an eye sees in four seconds, as a strip. */
function strip(steps: readonly Step[], y: number): string {
  const scale = STRIP.width / SHOWN_MS;
  const roundMs = steps.reduce((sum, { ms }) => sum + ms, 0);
  const parts: string[] = [];
  for (let atMs = 0, index = 0; atMs < SHOWN_MS; index++) {
    const { colour, ms } = steps[index % steps.length] ?? { colour: 'dark', ms: SHOWN_MS };
    const lengthMs = Math.min(roundMs === 0 ? SHOWN_MS : ms, SHOWN_MS - atMs);
    const [x, width] = [STRIP.x + atMs * scale, lengthMs * scale].map((value) => value.toFixed(1));
    parts.push(`<rect x="${x}" y="${y}" width="${width}" height="${STRIP.height}" fill="${FILLS[colour]}"/>`);
    atMs += lengthMs;
  }
  const frame = `<rect x="${STRIP.x}" y="${y}" width="${STRIP.width}" height="${STRIP.height}" fill="none" stroke="#7c8a82"/>`;
  return parts.join('') + frame;
}

/** Words below each other, of at most so many letters a line. */
function lines(x: number, y: number, words: string, letters: number, style: string): string {
  const found: string[] = [''];
  for (const word of words.split(' ')) {
    const last = found.at(-1) ?? '';
    if (last !== '' && last.length + word.length + 1 > letters) found.push(word);
    else found[found.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return found.map((line, index) => text(x, y + 15 * index, line, style)).join('');
}

export function panelPicture(): string {
  const small = ' font-size="12.5" fill="#4a5b53"';
  const bold = ' font-size="15" font-weight="600" fill="#22302a"';
  const looks = [...PRIORITY].reverse().flatMap((pattern, index) => {
    const { steps, words, means } = LOOKS[pattern];
    const y = TOP + index * ROW;
    return [
      strip(steps, y),
      text(290, y + 12, words, bold.replace('15', '13.5')),
      lines(290, y + 27, means, 92, small),
    ];
  });
  const buttonTop = TOP + PRIORITY.length * ROW + 50;
  const gestures = ROWS.flatMap((row, index) => {
    const { press, holds, words } = BUTTON[row];
    const y = buttonTop + 30 + index * 92;
    const does = [
      ['press', press === undefined ? 'nothing' : ACTION_WORDS[press]],
      ...holds.map(({ afterUs, does: action, at }) => [
        `hold ${afterUs / 1e6} s${at === 'release' ? ', let go' : ''}`,
        ACTION_WORDS[action],
      ]),
    ];
    return [
      text(40, y, words, bold),
      ...does.flatMap(([how = '', what = ''], at) => [
        text(290, y + at * 22, how, ' font-size="13.5" font-weight="600" fill="#22302a"'),
        text(430, y + at * 22, what, ' font-size="13.5" fill="#4a5b53"'),
      ]),
    ];
  });
  const height = buttonTop + 30 + ROWS.length * 92;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title desc" font-family="system-ui, 'Segoe UI', Helvetica, Arial, sans-serif">
<title id="title">The light and the button of a camera</title>
<desc id="desc">What the light shows over four seconds in each state, and what a press and a hold of the button do.</desc>
<rect width="${WIDTH}" height="${height}" rx="14" fill="#f7f8f5"/>
${text(40, 44, 'The light: what it shows in four seconds', bold.replace('15', '18'))}
${looks.join('\n')}
${text(40, buttonTop - 6, 'The button', bold.replace('15', '18'))}
${gestures.join('\n')}
</svg>
`;
}
