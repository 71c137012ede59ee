/** Small charts as SVG that are readable on a light page and on a dark one. */
import { type Chart, type Row, shown, type Table } from '../measure/table.ts';

const STYLE = `<style>
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .s0 { --c: #0969da } .s1 { --c: #8250df } .s2 { --c: #1a7f37 } .s3 { --c: #bc4c00 } .s4 { --c: #6e7781 }
  .other { opacity: .45 }
  rect { fill: var(--c) }
  path { stroke: var(--c); fill: none; stroke-width: 2 }
  circle { fill: var(--c) }
  line { stroke: #d0d7de }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .s0 { --c: #58a6ff } .s1 { --c: #bc8cff } .s2 { --c: #3fb950 } .s3 { --c: #f0883e } .s4 { --c: #8b949e }
    line { stroke: #30363d }
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
const bars = (table: Table, { keys, title }: Chart): string => {
  const rows = table.rows.filter((row) => keys.some((key) => numeric(row, key) !== undefined));
  const longest = Math.max(...rows.flatMap((row) => keys.map((key) => numeric(row, key) ?? 0)));
  const top = keys.length > 1 ? 50 : 30;
  const [thick, gap, left, right] = [keys.length > 1 ? 12 : 18, 8, 170, 70];
  const pitch = keys.length * thick + gap;
  const body = rows.flatMap((row, r) => [
    `<text x="${left - 8}" y="${top + r * pitch + (pitch - gap) / 2 + 4}" text-anchor="end">${escaped(row.name)}</text>`,
    ...keys.flatMap((key, k) => {
      const value = numeric(row, key);
      if (value === undefined) return [];
      const y = top + r * pitch + k * thick;
      const width = Math.max(1, (value / longest) * (WIDTH - left - right));
      const digits = table.columns.find((column) => column.key === key)?.digits;
      const mine = row.name.startsWith('redisync') ? '' : ' other';
      return [
        `<rect class="s${k}${mine}" x="${left}" y="${y}" width="${width.toFixed(1)}" height="${thick - 2}"/>`,
        `<text x="${(left + width + 6).toFixed(1)}" y="${y + thick / 2 + 3}">${shown(value, digits)}</text>`,
      ];
    }),
  ]);
  return svg(top + rows.length * pitch, title, [...legend(table, keys, 36), ...body]);
};

/** A curve for each column over `x`, both axes by decades. */
const curves = (table: Table, { keys, title }: Chart): string => {
  const [left, right, top, height, bottom] = [60, 20, 56, 220, 34];
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
