/** Runs an example as its user does: a process of its own, told by REDIS_URL where Redis is. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BuildOptions } from 'esbuild';
import { program } from '../support/program.ts';

export interface Ended {
  readonly code: number | null;
  /** What it wrote, to stdout and stderr together. */
  readonly output: string;
}

export interface Running {
  /** Resolves with what matched when what it wrote does; rejects if it ends without. */
  seen(pattern: RegExp): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
}

/** What the demo looks for beside itself. */
const BESIDE: Readonly<Record<string, readonly string[]>> = { 'demo/main.ts': ['worker.ts', 'transfers.csv'] };

const EXAMPLES = new URL('../../examples/', import.meta.url);
/** What few of them need, or what cannot be bundled. That is half of the time in which an example starts. */
const OTHERS = [
  '@nestjs/*',
  '@opentelemetry/*',
  'bullmq',
  'express',
  'fastify',
  'koa',
  'node-sqlite3-wasm',
  'pino',
  'redis',
];
const OPTIONS: BuildOptions = { external: OTHERS, splitting: true, loader: { '.csv': 'copy' } };

/** The program of an example: those of one file are made together, since they have the library in common. */
const programOf = (file: string): string => {
  if (file.startsWith('nestjs/')) return program(new URL(file, EXAMPLES), { packages: 'external' }); // it loads ioredis by name
  if (file.includes('/')) return program(new URL(file, EXAMPLES), OPTIONS, BESIDE[file]);
  const [first = '', ...rest] = readdirSync(EXAMPLES).filter((name) => name.endsWith('.ts'));
  return join(dirname(program(new URL(first, EXAMPLES), OPTIONS, rest)), file.replace('.ts', '.mjs'));
};

/** @param file below examples/ */
export const start = (file: string, url: string, env: Readonly<Record<string, string>> = {}): Running => {
  const path = programOf(file);
  const child = spawn(process.execPath, [path], {
    env: { ...process.env, ...env, REDIS_URL: url },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  let output = '';
  const looks = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (const look of looks) look();
    });
  }
  const ended = once(child, 'close').then(([code]) => {
    process.off('exit', kill);
    return { code, output };
  });
  const seen = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const [found] = pattern.exec(output) ?? [];
        if (found === undefined) return;
        looks.delete(look);
        resolve(found);
      };
      looks.add(look);
      ended.then(() => reject(new Error(`${file} ended without ${pattern}: ${output}`)));
      look();
    });
  return { seen, kill: (signal) => child.kill(signal), ended };
};

export const run = (file: string, url: string, env?: Readonly<Record<string, string>>): Promise<Ended> =>
  start(file, url, env).ended;
