/** Rows of text in columns that fit a terminal. */
import stringWidth from 'string-width';
import type { Inspection } from '../index.ts';
import { printable, spoken } from './values.ts';

/** A name as it is watched: what Redis tells of it, and how often its token was seen to change. */
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
const mode = ({ holders, waiting }: Row): string => holders[0]?.mode ?? waiting[0]?.mode ?? '';
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
    key: 'token',
    title: 'TOKEN',
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

/** What a narrow terminal leaves out, first to last: a token is long, and tells the least at a look. */
const DISPENSABLE: readonly string[] = ['token', 'mode', 'hand-offs', 'waiting', 'remaining'];

/**
 * The first line is the head. Names and owners, which have no bound, share what the other columns leave; where that is
 * too little, columns are left out.
 */
export const linesOf = (
  columns: readonly Column[],
  rows: readonly Row[],
  width = Number.POSITIVE_INFINITY,
): string[] => {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ text }) => printable(text(row)))),
  ];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => stringWidth(line[i] ?? ''))));
  const excess = (): number => widths.reduce((sum, w) => sum + w + 2, -2) - width;
  const shorten = (i: number): void => {
    const wide = widths[i] ?? 0;
    if (excess() > 0) widths[i] = Math.max(Math.min(wide, 12), wide - excess());
  };
  shorten(2);
  shorten(0);
  const least = DISPENSABLE.find((key) => columns.some((column) => column.key === key));
  if (excess() > 0 && least)
    return linesOf(
      columns.filter(({ key }) => key !== least),
      rows,
      width,
    );
  return cells.map((line) =>
    cut(
      columns.map(({ numeric }, i) => pad(cut(line[i] ?? '', widths[i] ?? 0), widths[i] ?? 0, numeric)).join('  '),
      width,
    ).trimEnd(),
  );
};

export const sorted = (rows: readonly Row[], by: Column, reverse: boolean): Row[] => {
  const compare = (a: Row, b: Row): number => {
    const [x, y] = [by.rank(a), by.rank(b)];
    return x < y ? -1 : x > y ? 1 : a.name < b.name ? -1 : 1;
  };
  return [...rows].sort((a, b) => (reverse ? compare(b, a) : compare(a, b)));
};
