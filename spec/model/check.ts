/** Runs spin over the model: translates it, compiles the search and lets it look at every state within the bounds. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const MODEL = fileURLToPath(new URL('lock.pml', import.meta.url));

/** One search: what it shows, by which variant of the model, and whether spin must find an error in it. */
export interface Search {
  readonly shows: string;
  readonly defines: string;
  readonly broken: boolean;
}

const LIVE = '-DN=3 -DLIVE -DTTL=3 -DWTTL=3 -DCT=1';
const FAULTS = '-DN=2 -DFAULTS -DK=3';

const holds = (shows: string, defines: string): Search => ({ shows, defines, broken: false });
const fails = (shows: string, defines: string): Search => ({ shows, defines, broken: true });

/** Seconds each, where nothing else runs; those of `LONG` take minutes. */
export const SEARCHES: readonly Search[] = [
  holds(
    'two never believe at once, nobody believes longer than the server keeps, who has left is not back',
    '-DN=2 -DLUCK=1',
  ),
  holds('the later token is higher, whatever lapses, is forgotten or steps back', `${FAULTS} -DLUCK=0`),
  holds('who waits is served, though messages get lost, a client dies and another gives up', `${LIVE} -DLUCK=0`),
  fails('a release that does not compare owners', '-DN=2 -DLUCK=1 -DNO_COMPARE'),
  fails('a renewal that makes a holder of one who is none', '-DN=2 -DLUCK=1 -DRECREATES'),
  fails('an acquire without a not-after', '-DN=2 -DLUCK=1 -DKEEP_ACQUIRE=1'),
  fails('a release without a not-after', '-DN=2 -DLUCK=1 -DKEEP_RELEASE=1'),
  fails('an attempt that does not wait for the not-after of a release', '-DN=2 -DLUCK=1 -DHASTE=true'),
  fails('one who leaves once, whatever may land behind that', '-DN=2 -DLUCK=1 -DONCE=true'),
  fails('a waiter who believes old grants', '-DN=2 -DLUCK=1 -DOLD_GRANTS'),
  fails('a grant whose token does not rise', `${FAULTS} -DLUCK=0 -DNO_RISE`),
  fails('tokens that do not keep up with the clock', `${FAULTS} -DLUCK=0 -DNO_CLOCK`),
  fails('a waiter who never asks again', `${LIVE} -DLUCK=0 -DNO_HEARTBEAT`),
];

export const LONG: readonly Search[] = [
  holds('as the first, with two troubles', '-DN=2 -DLUCK=2'),
  holds('as the second, with one trouble', `${FAULTS} -DLUCK=1`),
  holds('as the third, with one trouble', `${LIVE} -DLUCK=1`),
];

const find = (name: string): string | undefined =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));

/** What of spin and gcc is missing. As root on Debian they are installed first. */
export const missing = (): string | undefined => {
  const absent = (): string[] => ['spin', 'gcc'].filter((name) => !find(name));
  if (absent().length > 0 && process.getuid?.() === 0 && find('apt-get')) {
    const quiet = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
    try {
      execFileSync('apt-get', ['update'], quiet);
      execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'spin', 'gcc', 'libc6-dev'], quiet);
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
export const search = ({ defines, broken }: Search): Outcome => {
  const folder = mkdtempSync(join(tmpdir(), 'redisync-model-'));
  const live = defines.includes('-DLIVE');
  const run = (file: string, ...args: string[]): string =>
    execFileSync('nice', ['-n', '19', file, ...args], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  try {
    run('spin', '-a', ...defines.split(' '), MODEL);
    const kind = live ? ['-DNFAIR=4'] : ['-DSAFETY', '-DNOFAIR'];
    run('gcc', broken ? '-O0' : '-O2', '-w', '-DMEMLIM=12000', ...kind, '-o', 'pan', 'pan.c');
    const report = run('./pan', ...(live ? ['-a', '-f'] : []), '-m5000000', '-w24', '-n');
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
