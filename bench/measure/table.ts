/** The result of a measurement: tables for the screen, the JSON and the document, and the targets. */

export interface Column {
  readonly key: string;
  readonly title: string;
  /** Digits after the point; default: 0. */
  readonly digits?: number;
  /** Whether more is better or less, where contenders are compared by it. */
  readonly better?: 'more' | 'less';
}

export type Cell = number | string | undefined;

export interface Row {
  readonly name: string;
  readonly [key: string]: Cell;
}

export interface Chart {
  readonly kind: 'bars' | 'curves';
  /** The columns that are drawn. */
  readonly keys: readonly string[];
  readonly title: string;
  /** What it shows, in the name of its file, where its table has several. */
  readonly shows?: string;
  /** Bars by their logarithm, where they differ by powers of ten. */
  readonly log?: boolean;
}

export interface Table {
  readonly id: string;
  readonly title: string;
  /** What the first column is. */
  readonly of: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly charts?: readonly Chart[];
  /** What has to be known to read it. */
  readonly note?: string;
}

/** A target: its name, its bound, and the value that was measured. */
export interface Verdict {
  readonly target: string;
  readonly bound: string;
  readonly seen: string;
  readonly met: boolean;
}

export interface Report {
  readonly tables: readonly Table[];
  readonly verdicts: readonly Verdict[];
}

export const atLeast = (target: string, bound: number, seen: number, digits = 2): Verdict => ({
  target,
  bound: `at least ${bound}`,
  seen: seen.toFixed(digits),
  met: seen >= bound,
});

export const atMost = (target: string, bound: number, seen: number, digits = 2): Verdict => ({
  target,
  bound: `at most ${bound}`,
  seen: seen.toFixed(digits),
  met: seen <= bound,
});

export const shown = (cell: Cell, digits = 0): string => {
  if (cell === undefined) return '';
  if (typeof cell === 'string') return cell;
  if (!Number.isFinite(cell)) return '-';
  return cell.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
};

/** Aligned for a terminal. */
export const printed = ({ title, of, columns, rows, note }: Table): string => {
  const lines = [
    [of, ...columns.map((column) => column.title)],
    ...rows.map((row) => [row.name, ...columns.map(({ key, digits }) => shown(row[key], digits))]),
  ];
  const widths = (lines[0] ?? []).map((_, i) => Math.max(...lines.map((line) => (line[i] ?? '').length)));
  const aligned = lines.map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
  );
  return [`\n${title}`, ...aligned, ...(note ? [note] : [])].join('\n');
};
