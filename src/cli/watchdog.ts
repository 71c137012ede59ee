/** Starts the guard, a child process that is told how long the command's group may live, and starts another if it ends. */
import { spawn } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXIT, Failure } from './exit.ts';
import { uptime } from './machine-uptime.ts';

interface Watchdog {
  /** Tells the guard to end the group in `ms`, unless it is told again before that. */
  tell(group: number, ms: number): void;
  /** The group has ended: ends the guard. */
  dismiss(): void;
}

const PROGRAM = fileURLToPath(new URL(`./guard${extname(import.meta.filename)}`, import.meta.url));

/** Starts a guard. The pipe to it closes when we end, however we end. It has a session of its own, so that no terminal ends it. */
const spawnGuard = (grace: number) => {
  const guard = spawn(process.execPath, [...process.execArgv, PROGRAM, String(grace)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.on('error', () => undefined); // it has no pid then
  guard.stdin.on('error', () => undefined); // told by 'exit'
  return guard;
};

/** Starts the guard. If it ends before its work is done, another is started and told the same. */
export const startWatchdog = (grace: number, warn: (message: string) => void): Watchdog => {
  let told = '';
  const succeed = (code: number | null): void => {
    if (code === 0) return; // it has ended the group
    guard = spawnGuard(grace).on('exit', succeed);
    guard.stdin.write(told);
    warn(
      guard.pid === undefined
        ? 'the guard process has ended and cannot be started again: if redisync is killed now, the command goes on without the lock'
        : 'the guard process was killed, and another has taken over',
    );
  };
  let guard = spawnGuard(grace).on('exit', succeed);
  if (guard.pid === undefined)
    throw new Failure(
      EXIT.bug,
      'the guard process could not be started, so the command was not: see whether the machine is out of processes',
    );
  return {
    tell: (group, ms) => {
      told = `${group} ${uptime() + ms}\n`;
      guard.stdin.write(told);
    },
    dismiss: () => {
      guard.removeAllListeners('exit');
      guard.kill('SIGKILL');
    },
  };
};
