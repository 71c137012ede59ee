/** The guard as redisync sees it: a child that is told how long the command's group may live. */
import { spawn } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXIT, Failure } from './exit.ts';
import { uptime } from './uptime.ts';

export interface Watchdog {
  /** The group must be gone in `ms` unless it is told again. */
  tell(group: number, ms: number): void;
  /** The group is gone. */
  dismiss(): void;
}

const PROGRAM = fileURLToPath(new URL(`./guard${extname(import.meta.filename)}`, import.meta.url));

/** Its end of the pipe closes with us, however we end. It is in a session of its own, so that no terminal ends it. */
export const startWatchdog = (grace: number, warn: (message: string) => void): Watchdog => {
  const guard = spawn(process.execPath, [...process.execArgv, PROGRAM, String(grace)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  if (guard.pid === undefined) {
    guard.on('error', () => undefined);
    throw new Failure(EXIT.bug, 'the guard could not be started, so the command was not');
  }
  guard.stdin.on('error', () => undefined); // told by 'exit'
  guard.on('exit', () => warn('the guard has ended: if redisync is killed now, the command outlives it'));
  return {
    tell: (group, ms) => void guard.stdin.write(`${group} ${uptime() + ms}\n`),
    dismiss: () => {
      guard.removeAllListeners('exit');
      guard.kill('SIGKILL');
    },
  };
};
