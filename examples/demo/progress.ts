/** What the demo shows while it runs: in place on a terminal, and a plain line each second elsewhere. */
import type { Inspection } from 'redisync';
import { labelOf } from './kill.ts';
import { ACCOUNTS } from './transfers.ts';

export interface Sight {
  readonly title: string;
  readonly count: number;
  readonly total: number;
  readonly perSecond: number;
  /** Of the accounts' locks, in the order of the accounts; none where there are no locks. */
  readonly locks: readonly Inspection[];
}

const BAR = 24;

export const number = (value: number): string => Math.round(value).toLocaleString('en');

const tty = process.stdout.isTTY === true;
let drawn = 0;
let over = false;

/** How often to look, in ms. */
export const LOOK_EVERY = tty ? 200 : 1_000;

const holderOf = ({ holders }: Inspection): string => labelOf(holders[0]?.owner ?? '') || '-';

const headOf = ({ title, count, total, perSecond }: Sight): string =>
  `${title.padEnd(14)} ${number(count).padStart(5)} of ${number(total)} transfers ${number(perSecond).padStart(6)}/s`;

const blockOf = (sight: Sight): string[] => {
  const full = Math.round((BAR * sight.count) / sight.total);
  const rows = sight.locks.map(
    (lock, i) => `  ${ACCOUNTS[i]?.padEnd(8)} held by ${holderOf(lock).padEnd(10)} ${lock.waiting.length} waiting`,
  );
  return [`${headOf(sight)}  ${'#'.repeat(full)}${'.'.repeat(BAR - full)}`, ...rows];
};

const lineOf = (sight: Sight): string => {
  if (sight.locks.length === 0) return headOf(sight);
  const held = sight.locks.map((lock, i) => `${ACCOUNTS[i]} ${holderOf(lock)} +${lock.waiting.length}`);
  return `${headOf(sight)}   ${held.join(', ')}`;
};

/** A line that stays. */
export const say = (text: string): void => {
  if (over) return;
  process.stdout.write(`${text}\n`);
  drawn = 0;
};

/** The last line: what still goes on is not shown any more. */
export const sayLast = (text: string): void => {
  say(text);
  over = true;
};

export const show = (sight: Sight): void => {
  if (over) return;
  if (!tty) {
    say(lineOf(sight));
    return;
  }
  const lines = blockOf(sight);
  const up = drawn > 0 ? `\x1b[${drawn}A` : '';
  process.stdout.write(`${up}${lines.map((line) => `\x1b[2K${line}\n`).join('')}`);
  drawn = lines.length;
};

/** Rows of a table, the first column to the left, the others to the right. */
export const table = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(([title = '', ...cells]) => {
      const aligned = cells.map((cell, i) => cell.padStart((widths[i + 1] ?? 0) + 4));
      return title.padEnd(widths[0] ?? 0) + aligned.join('');
    })
    .join('\n');
};
