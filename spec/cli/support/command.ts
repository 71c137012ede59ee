/** Runs the real command: built as it is published, in a process of its own, with pipes or on a pseudo-terminal. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { builtOnce } from '../../support/built.ts';
import { eventually } from '../../support/eventually.ts';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The command as node runs it from its sources. */
export const SOURCE = ['--import', 'tsx', join(ROOT, 'src/cli/main.ts')];

/** The command as it is published, with all that it imports in few files, which node starts in half the time. */
export const builtCommand = async (): Promise<string[]> => [join(await builtOnce(), 'cli/main.js')];

/** ms that only a hang reaches: on a busy machine a process of the command takes seconds to start. */
const HANG = 60_000;

/** Waits until it comes true. */
export const reached = (what: string, condition: () => Promise<boolean> | boolean): Promise<void> =>
  eventually(what, condition, HANG);

const started = new Set<ChildProcess>();

/** Ends what a failed test has left, by its id. */
export const endAll = (): void => {
  for (const child of started) child.kill('SIGKILL');
};

export interface Run {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly out: string;
  readonly err: string;
  /** The exit code, or the signal. */
  readonly ended: Promise<number | NodeJS.Signals>;
  type(keys: string): void;
  /** The events of `--json`, so far. */
  readonly events: readonly Told[];
  /** The first event of a type. */
  told(type: string): Promise<Told>;
}

export interface Told {
  readonly type: string;
  readonly at: number;
  readonly pid?: number;
  readonly [field: string]: unknown;
}

const toldIn = (text: string): Told[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Told);

export const start = (file: string, args: readonly string[], environment: NodeJS.ProcessEnv): Run => {
  const child = spawn(file, args, { cwd: ROOT, env: { ...process.env, ...environment } });
  started.add(child);
  const texts = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    texts.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    texts.err += text;
  });
  child.stdin.on('error', () => undefined);
  const ended = once(child, 'close').then(([code, signal]) => {
    started.delete(child);
    return (code ?? signal) as number | NodeJS.Signals;
  });
  return {
    child,
    pid: child.pid ?? 0,
    get out() {
      return texts.out;
    },
    get err() {
      return texts.err;
    },
    get events() {
      return toldIn(texts.err);
    },
    ended,
    type: (keys) => void child.stdin.write(keys),
    told: (type) =>
      found(`an event ${type} in ${JSON.stringify(texts.err)}`, () =>
        toldIn(texts.err).find((event) => event.type === type),
      ),
  };
};

/** The command with pipes. */
export const redisync = async (url: string, ...args: readonly string[]): Promise<Run> =>
  start(process.execPath, [...(await builtCommand()), ...args], { REDIS_URL: url });

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/**
 * The command on a terminal of 100 columns and 12 lines, under a shell with job control: what is typed arrives as keys,
 * Ctrl-C and Ctrl-Z as signals. When it is stopped, the shell says so, and continues it when it reads a line.
 */
export const onTerminal = (url: string, ...args: readonly string[]): Promise<Run> =>
  onTerminalWith({ REDIS_URL: url }, ...args);

export const onTerminalWith = async (environment: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<Run> => {
  const words = [process.execPath, ...(await builtCommand()), ...args].map(quoted).join(' ');
  const session = [
    'set -m; stty cols 100 rows 12; before=$(stty -g)',
    `${words}; code=$?`,
    'while [ $code = 148 ]; do echo suspended; read line; fg; code=$?; done',
    '[ "$before" = "$(stty -g)" ] && echo restored; exit $code',
  ].join('; ');
  return start('script', ['-qec', session, '/dev/null'], { ...environment, TERM: 'xterm', SHELL: '/bin/bash' });
};

/** Waits until there is one. */
export const found = async <T>(what: string, look: () => T | undefined): Promise<T> => {
  let value: T | undefined;
  await reached(what, () => {
    value = look();
    return value !== undefined;
  });
  return value as T;
};

/** The states of the processes in a group, by ps. Dead ones that are not reaped yet do not count. */
export const statesIn = (group: number): string[] =>
  execFileSync('ps', ['-eo', 'pgid=,stat='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([pgid, state = 'Z']) => Number(pgid) === group && !state.startsWith('Z'))
    .map(([, state = '']) => state);

/** Whether nothing of a group runs any more. Looks at all processes, so not too often. */
export const hasEnded = async (group: number): Promise<boolean> => {
  try {
    process.kill(-group, 0);
  } catch {
    return true;
  }
  if (statesIn(group).length === 0) return true;
  await pause(100);
  return false;
};
