/** The picture of a lock's life: read from docs/life.marbles, drawn as docs/life.svg. `npx tsx spec/examples/marbles.ts` */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const DOCS = new URL('../../docs/', import.meta.url);
export const PICTURE = fileURLToPath(new URL('life.svg', DOCS));

/** One subscriber: when its source is subscribed to, and what comes out. */
export interface Row {
  readonly title: string;
  readonly subscribed: string;
  readonly result: string;
}

/** Two lines each: the title and the source's subscription, then the result. */
export const rows = (): Row[] => {
  const lines = readFileSync(new URL('life.marbles', DOCS), 'utf8').trimEnd().split('\n');
  const indent = lines[1]?.search(/\S/) ?? 0;
  return Array.from({ length: lines.length / 2 }, (_, i) => {
    const [first = '', second = ''] = lines.slice(2 * i, 2 * i + 2);
    return { title: first.slice(0, indent).trim(), subscribed: first.slice(indent), result: second.slice(indent) };
  });
};

const LEFT = 80;
const FRAME = 22;
const HEIGHT = 44;

const x = (frame: number): number => LEFT + frame * FRAME;

const marble = (mark: string, frame: number, y: number): string => {
  if (mark === '|') return `<path class="end" d="M${x(frame)} ${y - 12}v24"/>`;
  if (mark === '#') return `<path class="lost" d="M${x(frame) - 8} ${y - 8}l16 16m0 -16l-16 16"/>`;
  if (!/\w/.test(mark)) return '';
  return `<circle cx="${x(frame)}" cy="${y}" r="11"/><text class="value" x="${x(frame)}" y="${y + 4}">${mark}</text>`;
};

const line = ({ title, subscribed, result }: Row, i: number): string => {
  const y = HEIGHT * (i + 0.75);
  const [from, to] = [subscribed.indexOf('^'), subscribed.indexOf('!')];
  const waiting = from > 0 ? `<path class="wait" d="M${x(0)} ${y}H${x(from)}"/>` : '';
  const held = `<path class="held" d="M${x(from)} ${y}H${x(to)}"/>`;
  const marbles = [...result].map((mark, frame) => marble(mark, frame, y));
  return [`<text x="8" y="${y + 5}">${title}</text>`, waiting, held, ...marbles]
    .filter((part) => part !== '')
    .join('\n');
};

/** Light and dark by what the reader prefers. */
const STYLE = `
text { font: 14px ui-monospace, monospace; fill: #24292f }
.value { font-size: 12px; text-anchor: middle; fill: #fff }
circle { fill: #0969da }
path { fill: none; stroke: #57606a; stroke-width: 2 }
.wait { stroke-dasharray: 2 6 }
.held { stroke: #0969da; stroke-width: 4 }
.end { stroke: #24292f; stroke-width: 3 }
.lost { stroke: #cf222e; stroke-width: 3 }
@media (prefers-color-scheme: dark) {
  text, .value { fill: #e6edf3 }
  circle { fill: #1f6feb }
  path { stroke: #8b949e }
  .held { stroke: #1f6feb }
  .end { stroke: #e6edf3 }
  .lost { stroke: #f85149 }
}
`;

export const draw = (all: readonly Row[]): string => {
  const width = x(Math.max(...all.map(({ result }) => result.length)));
  const height = HEIGHT * (all.length + 0.5);
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`;
  const title =
    '<title>Three orders, one lock: each is worked on when the one before it has left; the third loses it</title>';
  return `${[head, title, `<style>${STYLE}</style>`, ...all.map(line), '</svg>'].join('\n')}\n`;
};

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PICTURE, draw(rows()));
