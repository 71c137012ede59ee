/** Rows of text in columns that fit a terminal. */
import stringWidth from 'string-width';
import type { Inspection } from '../index.ts';
import { printable, spoken } from './values.ts';

/** A name as it is watched: what Redis tells of it, and how often its fence was seen to change. */
export interface Row extends Inspection {
  /** Seen per second; undefined where nobody has looked twice. */
  readonly handOffs: number | undefined;
}

export interface Column {
  readonly key: string;
  readonly title: string;
  readonly text: (row: Row) => string;
  /** What it is sorted by, ascending. */
  readonly rank: (row: Row) => string | number;
  readonly numeric?: boolean;
}

const soonest = ({ holders }: Row): number => Math.min(...holders.map(({ remaining }) => remaining));
/** The limits of a semaphore that its holders and waiters name, which should be one. */
export const limitsOf = ({ holders, waiting }: Inspection): number[] => [
  ...new Set([...holders, ...waiting].flatMap(({ limit }) => limit ?? []).sort((a, b) => a - b)),
];

const mode = (row: Row): string => {
  const limits = limitsOf(row);
  const kind = row.holders[0]?.mode ?? row.waiting[0]?.mode ?? '';
  return limits.length > 0 ? `${kind}, of ${limits.join(' or ')}` : kind;
};
const holder = ({ holders }: Row): string =>
  holders.length > 1 ? `${holders[0]?.owner} +${holders.length - 1}` : (holders[0]?.owner ?? '');

export const NAME: Column = { key: 'name', title: 'NAME', text: ({ name }) => name, rank: ({ name }) => name };

export const COLUMNS: readonly Column[] = [
  NAME,
  { key: 'mode', title: 'MODE', text: mode, rank: mode },
  { key: 'holder', title: 'HOLDER', text: holder, rank: holder },
  {
    key: 'remaining',
    title: 'REMAINING',
    text: (row) => (row.holders.length > 0 ? spoken(soonest(row)) : ''),
    rank: soonest,
    numeric: true,
  },
  {
    key: 'waiting',
    title: 'WAITING',
    text: ({ waiting }) => String(waiting.length),
    rank: ({ waiting }) => waiting.length,
    numeric: true,
  },
  {
    key: 'fence',
    title: 'FENCE',
    text: ({ fence }) => String(fence ?? ''),
    rank: ({ fence = 0 }) => fence,
    numeric: true,
  },
  {
    key: 'hand-offs',
    title: 'HAND-OFFS/S',
    text: ({ handOffs }) => handOffs?.toFixed(1) ?? '',
    rank: ({ handOffs = 0 }) => handOffs,
    numeric: true,
  },
];

/** Cuts to so many terminal columns; a character may take two. */
export const cut = (text: string, width: number): string => {
  if (stringWidth(text) <= width) return text;
  let kept = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (stringWidth(kept + segment) >= width) break;
    kept += segment;
  }
  return `${kept}…`;
};

const pad = (text: string, width: number, numeric: boolean | undefined): string => {
  const blank = ' '.repeat(Math.max(0, width - stringWidth(text)));
  return numeric ? blank + text : text + blank;
};

/** What a narrow terminal leaves out, first to last: a fence is long, and tells the least at a look. */
const DISPENSABLE: readonly string[] = ['fence', 'mode', 'hand-offs'];

/** The columns that only a very narrow terminal leaves out. */
const DEAR: readonly string[] = ['waiting', 'remaining'];

/** How many characters of a name or a holder should be visible: enough for a holder's host and process, usually. */
const READABLE: Readonly<Record<string, number>> = { name: 12, holder: 28 };

/** Enough to guess by. */
const GUESSABLE: Readonly<Record<string, number>> = { name: 8, holder: 8 };

/** Divides a width between two columns. Each gets what it wants, or half and what the other leaves, so that one long name does not shorten all holders. */
const share = (wanted: readonly number[], room: number): number[] => {
  const half = Math.floor(room / wanted.length);
  const spare = wanted.reduce((sum, width) => sum + Math.max(0, half - width), 0);
  return wanted.map((width) => Math.max(1, Math.min(width, half + spare)));
};

const cellsOf = (columns: readonly Column[], rows: readonly Row[]): string[][] => [
  columns.map(({ title }) => title),
  ...rows.map((row) => columns.map(({ text }) => printable(text(row)))),
];

/** The widths of the columns; undefined if less than `least` characters of a name or a holder would be visible. */
const widthsOf = (
  columns: readonly Column[],
  cells: string[][],
  width: number,
  least: Readonly<Record<string, number>>,
): number[] | undefined => {
  const natural = columns.map((_, i) => Math.max(...cells.map((line) => stringWidth(line[i] ?? ''))));
  const unbound = columns.flatMap(({ key }, i) => (key in READABLE ? [i] : []));
  const all = natural.reduce((sum, w) => sum + w + 2, -2);
  if (all <= width) return natural;
  const wanted = unbound.map((i) => natural[i] ?? 0);
  const shares = share(wanted, width - all + wanted.reduce((sum, w) => sum + w, 0));
  const widths = natural.map((w, i) => shares[unbound.indexOf(i)] ?? w);
  const hidden = columns.some(({ key }, i) => (widths[i] ?? 0) < Math.min(natural[i] ?? 0, least[key] ?? 0));
  return hidden ? undefined : widths;
};

/** The columns themselves, then fewer and fewer of them. */
const fewer = (columns: readonly Column[], keys: readonly string[]): Column[][] =>
  keys.map((_, i) => columns.filter(({ key }) => !keys.slice(0, i + 1).includes(key)));

/**
 * The lines of the table, the first one with titles. Names and holders share what the other columns leave. If they would be
 * too short to read, dispensable columns are left out; then names and holders are shortened further; then the other columns
 * are left out.
 */
export const linesOf = (
  columns: readonly Column[],
  rows: readonly Row[],
  width = Number.POSITIVE_INFINITY,
): string[] => {
  const dispensed = [[...columns], ...fewer(columns, DISPENSABLE)];
  const bare = dispensed.at(-1) ?? [];
  const attempts: (readonly [Column[], Readonly<Record<string, number>>])[] = [
    ...dispensed.map((some) => [some, READABLE] as const),
    ...[bare, ...fewer(bare, DEAR)].map((some) => [some, GUESSABLE] as const),
    [fewer(bare, DEAR).at(-1) ?? bare, {}],
  ];
  for (const [some, least] of attempts) {
    const cells = cellsOf(some, rows);
    const widths = widthsOf(some, cells, width, least);
    if (widths) return cells.map((line) => cut(drawn(some, line, widths), width).trimEnd());
  }
  return [];
};

const drawn = (columns: readonly Column[], line: readonly string[], widths: readonly number[]): string =>
  columns.map(({ numeric }, i) => pad(cut(line[i] ?? '', widths[i] ?? 0), widths[i] ?? 0, numeric)).join('  ');

export const sorted = (rows: readonly Row[], by: Column, reverse: boolean): Row[] => {
  const compare = (a: Row, b: Row): number => {
    const [x, y] = [by.rank(a), by.rank(b)];
    return x < y ? -1 : x > y ? 1 : a.name < b.name ? -1 : 1;
  };
  return [...rows].sort((a, b) => (reverse ? compare(b, a) : compare(a, b)));
};
