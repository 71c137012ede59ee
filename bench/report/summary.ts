/** What a user decides by, as the first table of the document: the costs of ours, beside the limit and the best of the peers. */
import { LIMIT, OURS } from '../contenders/all.ts';
import { shown, type Table } from '../measure/table.ts';
import type { Results } from '../results.ts';

/** A question, and the column of a table that answers it. */
interface Question {
  readonly question: string;
  readonly table: string;
  readonly key: string;
  readonly digits?: number;
}

const QUESTIONS: readonly Question[] = [
  { question: 'A lock that nobody waits for, 1 at a time: µs of the client', table: 'uncontended-cost', key: 'cpu1' },
  { question: 'the same: µs of the server', table: 'uncontended-cost', key: 'usec1' },
  { question: '16 at a time: µs of the client', table: 'uncontended-cost', key: 'cpu16' },
  { question: 'the same: µs of the server', table: 'uncontended-cost', key: 'usec16' },
  { question: 'A hand-off between two processes: ms', table: 'hand-off', key: 'took', digits: 2 },
  { question: 'A hot lock, 16 waiters in 1 process: turns a second', table: 'contended-one', key: 'rate' },
  { question: 'the same: longest wait, ms', table: 'contended-one', key: 'longest' },
  { question: 'A hot lock, 100 waiters in 4 processes: turns a second', table: 'contended-four', key: 'rate' },
  { question: 'the same: longest wait, ms', table: 'contended-four', key: 'longest' },
  { question: '16 waiters in 4 processes, 5 ms of work in a turn: turns a second', table: 'work', key: 'rate' },
  { question: 'the same: longest wait, ms', table: 'work', key: 'longest' },
  { question: 'the same: commands a turn', table: 'work', key: 'commands', digits: 1 },
  { question: '10,000 leases held: % of one core', table: 'held', key: 'cpu', digits: 1 },
];

const COMPARED: readonly string[] = [...OURS, LIMIT, 'redis-semaphore', 'redlock', 'redlock-universal'];

/** The summary: a row for each question, a column for each contender. */
export const summary = ({ reports }: Results): { head: string[]; rows: string[][] } => {
  const tables = new Map<string, Table>(
    Object.values(reports).flatMap((report) => report.tables.map((table): [string, Table] => [table.id, table])),
  );
  const rows = QUESTIONS.map(({ question, table, key, digits }) => {
    const cell = (name: string): string => {
      const row = tables.get(table)?.rows.find((each) => each.name === name);
      return shown(row?.[key], digits);
    };
    return [question, ...COMPARED.map(cell)];
  });
  return { head: ['', ...COMPARED.map((name) => (OURS.includes(name) ? `**${name}**` : name))], rows };
};
