/** A command in a process group of its own: started, signalled and awaited as one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { exponentialBackoff } from '../index.ts';
import { codeOfSignal, EXIT } from './exit.ts';

/** ms between checks whether a group has ended: nothing reports the end of processes that are not our children. */
const look = exponentialBackoff({ initial: 20, max: 500, jitter: 0 });

/** Signals a whole group, and returns whether it exists: it may exist and be out of our reach, as processes of sudo are. */
const signalGroup = (group: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(-group, signal);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/**
 * Whether a group has processes that still run. If nothing reaps orphans (in a container whose first process is no init),
 * dead processes stay in the group for ever; only /proc shows that they are dead.
 */
const alive = (group: number): boolean => {
  if (!signalGroup(group, 0)) return false;
  if (process.platform !== 'linux') return true;
  return readdirSync('/proc').some((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state = '', , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(pgrp) === group && !'ZX'.includes(state);
    } catch {
      return false; // it ended meanwhile
    }
  });
};

interface Group {
  /** Undefined if it could not be started. */
  readonly id: number | undefined;
  signal(signal: NodeJS.Signals): void;
  /** The exit code of the command, as a shell reports it, once nothing of its group runs any more. */
  readonly ended: Promise<number>;
}

const codeOfFailure = (error: unknown): number =>
  (error as NodeJS.ErrnoException).code === 'ENOENT' ? EXIT.notFound : EXIT.notRunnable;

const unstarted = (code: number): Group => ({
  id: undefined,
  signal: () => undefined,
  ended: Promise.resolve(code),
});

const groupOf = (child: ChildProcess): Group => {
  const { pid } = child;
  const ended = async (): Promise<number> => {
    try {
      const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals];
      for (let n = 1; pid !== undefined && alive(pid); n += 1) await pause(look(n));
      return code ?? codeOfSignal(signal);
    } catch (error) {
      return codeOfFailure(error);
    }
  };
  return {
    id: pid,
    signal: (signal) => void (pid !== undefined && signalGroup(pid, signal)),
    ended: ended(),
  };
};

/**
 * Starts a command with our own stdin, stdout and stderr. It is found on the PATH as by a shell. If it cannot be started,
 * Node.js throws some errors at once and emits others as an event.
 */
export const startGroup = (command: readonly string[], environment: NodeJS.ProcessEnv): Group => {
  const [file = '', ...args] = command;
  if (file === '') return unstarted(EXIT.notFound);
  try {
    return groupOf(spawn(file, args, { stdio: 'inherit', detached: true, env: { ...process.env, ...environment } }));
  } catch (error) {
    return unstarted(codeOfFailure(error));
  }
};
