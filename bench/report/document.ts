/**
 * Fills docs/performance.md from a run: what stands between `<!-- bench:NAME -->` and `<!-- /bench -->` is made, all else
 * is written by hand and stays.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { OURS } from '../contenders/all.ts';
import { shown, type Table } from '../measure/table.ts';
import type { Results } from '../results.ts';
import { drawn } from './chart.ts';
import { losses } from './losses.ts';
import { summary } from './summary.ts';

const DOCUMENT = 'docs/performance.md';
const CHARTS = 'docs/charts';

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');

const markdown = (it: Table): string => {
  const rows = it.rows.map((row) => [
    OURS.includes(row.name) ? `**${row.name}**` : row.name,
    ...it.columns.map(({ key, digits }) => shown(row[key], digits)),
  ]);
  return table([it.of, ...it.columns.map(({ title }) => title)], rows);
};

/** A scenario's tables, each with its charts. */
const scenario = ({ reports }: Results, name: string): string =>
  (reports[name]?.tables ?? [])
    .map((it) => {
      const charts = (it.charts ?? []).map((chart) => {
        const file = `${[it.id, chart.shows].filter(Boolean).join('-')}.svg`;
        mkdirSync(CHARTS, { recursive: true });
        writeFileSync(`${CHARTS}/${file}`, drawn(it, chart));
        return `![${chart.title}](charts/${file})`;
      });
      return [`**${it.title}**`, ...charts, markdown(it), ...(it.note ? [it.note] : [])].join('\n\n');
    })
    .join('\n\n');

const targets = ({ reports }: Results): string =>
  table(
    ['target', 'bound', 'seen', 'met'],
    Object.values(reports)
      .flatMap(({ verdicts }) => verdicts)
      .map(({ target, bound, seen, met }) => [target, bound, seen, met ? 'yes' : '**no**']),
  );

const lost = ({ reports }: Results): string => {
  const all = Object.values(reports).flatMap(({ tables }) => tables.flatMap(losses));
  return table(
    ['where', 'ours, the better face', 'ahead of it'],
    all.map(({ where, ours, theirs }) => [where, ours, theirs]),
  );
};

const inShort = (results: Results): string => {
  const { head, rows } = summary(results);
  return table(head, rows);
};

const made = ({ at, machine, load }: Results): string =>
  table(['', ''], [...Object.entries(machine), ['When', at.slice(0, 10)], ['Load before', load.toFixed(2)]]);

const part = (results: Results, name: string): string => {
  if (name === 'machine') return made(results);
  if (name === 'targets') return targets(results);
  if (name === 'losses') return lost(results);
  if (name === 'summary') return inShort(results);
  if (!results.reports[name]) throw new Error(`${DOCUMENT} asks for ${name}, which the results do not have`);
  return scenario(results, name);
};

export const document = (results: Results): void => {
  const text = readFileSync(DOCUMENT, 'utf8');
  const filled = text.replace(
    /(<!-- bench:([\w-]+) -->\n)[\s\S]*?(<!-- \/bench -->)/g,
    (_, open: string, name: string, close: string) => `${open}\n${part(results, name)}\n\n${close}`,
  );
  writeFileSync(DOCUMENT, filled);
};
