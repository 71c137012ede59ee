/** A run as it is kept: JSON that the document is made of. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Report } from './measure/table.ts';

export interface Results {
  readonly at: string;
  readonly quick: boolean;
  readonly machine: Readonly<Record<string, string>>;
  /** Load of one minute when it began: more than a little, and the numbers are somebody else's. */
  readonly load: number;
  /** By scenario. */
  readonly reports: Readonly<Record<string, Report>>;
}

/** Whatever was run last. */
export const LATEST = 'bench/results/latest.json';
/** The run that docs/performance.md reports. */
export const PUBLISHED = 'bench/results.json';

export const write = (path: string, results: Results): void => {
  mkdirSync(dirname(path), { recursive: true });
  const tidy = (_key: string, value: unknown): unknown =>
    typeof value === 'number' && Number.isFinite(value) ? Number(value.toPrecision(6)) : value;
  writeFileSync(path, `${JSON.stringify(results, tidy, 2)}\n`);
};

/** What is committed is laid out as all else here is. */
export const publish = (results: Results): void => {
  write(PUBLISHED, results);
  execFileSync(process.execPath, ['node_modules/@biomejs/biome/bin/biome', 'format', '--write', PUBLISHED]);
};

export const read = (path: string): Results => JSON.parse(readFileSync(path, 'utf8')) as Results;
