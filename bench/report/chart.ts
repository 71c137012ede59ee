/** Small charts as SVG that are readable on a light page and on a dark one. */
import { type Chart, type Row, shown, type Table } from '../measure/table.ts';

const LIGHT = ['#0969da', '#8250df', '#1a7f37', '#bc4c00', '#6e7781'];
const DARK = ['#58a6ff', '#bc8cff', '#3fb950', '#f0883e', '#8b949e'];

/** The colours of a page: of its text, its lines and each series. */
const colours = (text: string, line: string, series: readonly string[]): string =>
  [
    `text { fill: ${text} }`,
    `line { stroke: ${line} }`,
    ...series.map((c, i) => `rect.s${i}, circle.s${i} { fill: ${c} } path.s${i} { stroke: ${c} }`),
  ].join('\n');

const STYLE = `<style>
text { font: 12px system-ui, sans-serif }
.title { font-weight: 600 }
.other { opacity: .45 }
path { fill: none; stroke-width: 2 }
${colours('#24292f', '#d0d7de', LIGHT)}
@media (prefers-color-scheme: dark) {
${colours('#e6edf3', '#30363d', DARK)}
}
</style>`;

const WIDTH = 720;

const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');

const svg = (height: number, title: string, body: readonly string[]): string =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    STYLE,
    `<text class="title" x="0" y="14">${escaped(title)}</text>`,
    ...body,
    '</svg>',
    '',
  ].join('\n');

const numeric = (row: Row, key: string): number | undefined => {
  const value = row[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
};

/** What a column is called, where the chart shows more than one. */
const titleOf = ({ columns }: Table, key: string): string => {
  const at = columns.findIndex((column) => column.key === key);
  const { title = key } = columns[at] ?? {};
  return title === 'of raw' ? (columns[at - 1]?.title.replace(/,.*/, '') ?? title) : title;
};

const legend = (table: Table, keys: readonly string[], y: number): string[] => {
  if (keys.length < 2) return [];
  const width = WIDTH / keys.length;
  return keys.flatMap((key, i) => [
    `<rect class="s${i}" x="${i * width}" y="${y - 9}" width="10" height="10"/>`,
    `<text x="${i * width + 15}" y="${y}">${escaped(titleOf(table, key))}</text>`,
  ]);
};

/** A bar for each contender, ours in full colour. */
const bars = (table: Table, { keys, title, log }: Chart): string => {
  const size = (value: number): number => (log ? Math.log10(1 + value) : value);
  const rows = table.rows.filter((row) => keys.some((key) => numeric(row, key) !== undefined));
  const longest = size(Math.max(...rows.flatMap((row) => keys.map((key) => numeric(row, key) ?? 0))));
  const top = keys.length > 1 ? 50 : 30;
  const [thick, gap, left, right] = [keys.length > 1 ? 12 : 18, 8, 170, 70];
  const pitch = keys.length * thick + gap;
  const body = rows.flatMap((row, r) => [
    `<text x="${left - 8}" y="${top + r * pitch + (pitch - gap) / 2 + 4}" text-anchor="end">${escaped(row.name)}</text>`,
    ...keys.flatMap((key, k) => {
      const value = numeric(row, key);
      if (value === undefined) return [];
      const y = top + r * pitch + k * thick;
      const width = Math.max(1, (size(value) / longest) * (WIDTH - left - right));
      const digits = table.columns.find((column) => column.key === key)?.digits;
      const mine = row.name.startsWith('redisync') ? '' : ' other';
      return [
        `<rect class="s${k}${mine}" x="${left}" y="${y}" width="${width.toFixed(1)}" height="${thick - 2}"/>`,
        `<text x="${(left + width + 6).toFixed(1)}" y="${y + thick / 2 + 3}">${shown(value, digits)}</text>`,
      ];
    }),
  ]);
  return svg(top + rows.length * pitch, log ? `${title} (logarithmic)` : title, [...legend(table, keys, 36), ...body]);
};

/** A curve for each column over `x`, both axes by decades. */
const curves = (table: Table, { keys, title }: Chart): string => {
  const [left, right, top, height, bottom] = [60, 40, 56, 220, 34];
  const points = keys.map((key) =>
    table.rows.flatMap((row) => {
      const [x, y] = [numeric(row, 'x'), numeric(row, key)];
      return x === undefined || y === undefined || y <= 0 ? [] : [{ x: Math.log10(x), y: Math.log10(y) }];
    }),
  );
  const all = points.flat();
  const [from, to] = [Math.min(...all.map(({ x }) => x)), Math.max(...all.map(({ x }) => x))];
  const low = Math.floor(Math.min(...all.map(({ y }) => y)));
  const high = Math.max(low + 1, Math.ceil(Math.max(...all.map(({ y }) => y))));
  const at = (x: number): string => (left + ((x - from) / (to - from || 1)) * (WIDTH - left - right)).toFixed(1);
  const up = (y: number): string => (top + height - ((y - low) / (high - low)) * height).toFixed(1);
  const decades = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  const body = [
    ...decades.flatMap((y) => [
      `<line x1="${left}" x2="${WIDTH - right}" y1="${up(y)}" y2="${up(y)}"/>`,
      `<text x="${left - 8}" y="${Number(up(y)) + 4}" text-anchor="end">${shown(10 ** y, Math.max(0, -y))}</text>`,
    ]),
    ...table.rows.map((row) => {
      const x = Math.log10(numeric(row, 'x') ?? 1);
      return `<text x="${at(x)}" y="${top + height + 18}" text-anchor="middle">${escaped(row.name)}</text>`;
    }),
    `<text x="${WIDTH - right}" y="${top + height + 32}" text-anchor="end">${escaped(table.of)}</text>`,
    ...points.flatMap((curve, k) => [
      `<path class="s${k}" d="${curve.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${at(x)} ${up(y)}`).join(' ')}"/>`,
      ...curve.map(({ x, y }) => `<circle class="s${k}" cx="${at(x)}" cy="${up(y)}" r="3"/>`),
    ]),
  ];
  return svg(top + height + bottom + 6, title, [...legend(table, keys, 36), ...body]);
};

export const drawn = (table: Table, chart: Chart): string =>
  chart.kind === 'bars' ? bars(table, chart) : curves(table, chart);
