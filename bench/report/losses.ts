/** What others do better, found in the tables rather than told from memory. */
import { OURS } from '../contenders/all.ts';
import { type Column, type Row, shown, type Table } from '../measure/table.ts';

export interface Loss {
  readonly where: string;
  readonly ours: string;
  readonly theirs: string;
}

const ahead = (column: Column, theirs: Row, ours: number): boolean => {
  const value = theirs[column.key];
  if (typeof value !== 'number' || !Number.isFinite(value)) return false;
  return column.better === 'more' ? value > ours : value < ours;
};

/** Those ahead of the better of our two faces, in every column that has a better. */
export const losses = ({ title, columns, rows }: Table): Loss[] => {
  const faces = rows.filter(({ name }) => OURS.includes(name));
  const others = rows.filter(({ name }) => !OURS.includes(name));
  return columns.flatMap((column) => {
    const values = faces.map((row) => Number(row[column.key])).filter(Number.isFinite);
    if (!column.better || values.length === 0) return [];
    const ours = column.better === 'more' ? Math.max(...values) : Math.min(...values);
    const winners = others.filter((row) => ahead(column, row, ours));
    if (winners.length === 0) return [];
    const told = (row: Row): string => `${row.name} ${shown(row[column.key], column.digits)}`;
    return [
      { where: `${title}: ${column.title}`, ours: shown(ours, column.digits), theirs: winners.map(told).join(', ') },
    ];
  });
};
