/** Runs spin over the models: translates one, compiles the search and lets it look at every state within the bounds. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Search } from './searches.ts';

export const pathOf = (model: Search['model']): string => fileURLToPath(new URL(`${model}.pml`, import.meta.url));

const find = (name: string): string | undefined =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));

/** What of spin and gcc is missing. As root on Debian they are installed first, and tcc, which compiles at once. */
export const missing = (): string | undefined => {
  const absent = (): string[] => ['spin', 'gcc'].filter((name) => !find(name));
  if ((absent().length > 0 || !find('tcc')) && process.getuid?.() === 0 && find('apt-get')) {
    const quiet = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
    try {
      execFileSync('apt-get', ['update'], quiet);
      execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'spin', 'gcc', 'tcc', 'libc6-dev'], quiet);
    } catch {
      // told below
    }
  }
  const names = absent();
  return names.length > 0
    ? `The model needs ${names.join(' and ')} (Debian, Ubuntu: apt-get install spin gcc)`
    : undefined;
};

/** What a search has seen. */
export interface Outcome {
  /** undefined where there is none within the bounds. */
  readonly error: string | undefined;
  readonly states: number;
}

/** Searches all states, or as far as the first error. @throws Error if it did not come to an end */
export const search = ({ model, defines, finds }: Search): Outcome => {
  const folder = mkdtempSync(join(tmpdir(), 'redisync-model-'));
  const live = defines.includes('-DLIVE');
  const run = (...command: string[]): string =>
    execFileSync('nice', ['-n', '5', ...command], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  try {
    run('spin', '-a', ...defines.split(' '), pathOf(model));
    const kind = live ? ['-DNFAIR=4'] : ['-DSAFETY', '-DNOFAIR', '-DNOCOMP']; // states as they are are found sooner
    const small = finds !== undefined || defines.includes('-DN=1');
    const compiler = small && find('tcc') ? ['tcc'] : ['gcc', small ? '-O0' : '-O1'];
    run(...compiler, '-w', '-DMEMLIM=12000', ...kind, '-o', 'pan', 'pan.c');
    const report = run('./pan', ...(live ? ['-a', '-f'] : []), '-m300000', small ? '-w20' : '-w24', '-n');
    const states = Number(/([\d.e+]+) states, stored/.exec(report)?.[1]);
    const error = /^pan:\d+: (.*?)(?: \(at depth.*)?$/m.exec(report)?.[1];
    if (!/errors: \d/.test(report) || (!error && /Search not completed|max search depth/.test(report))) {
      throw new Error(`The search did not come to an end:\n${report}`);
    }
    return { error, states };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
