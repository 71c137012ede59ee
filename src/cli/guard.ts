/**
 * The guard: a process that outlives redisync, and ends a command's group before its lease can expire, should
 * redisync be killed or stopped. It hears lines "GROUP TIME" on stdin: the group, and when it must be gone, by `uptime`.
 *
 * Arguments: ms between SIGTERM and SIGKILL once redisync has gone; 0 for SIGKILL at once.
 */
import { createInterface } from 'node:readline';
import { uptime } from './uptime.ts';

const grace = Number(process.argv[2]);
let group: number | undefined;
let deadline = 0;
let alarm: NodeJS.Timeout | undefined;

const signal = (name: NodeJS.Signals | 0): void => {
  try {
    if (group !== undefined) process.kill(-group, name);
  } catch {
    process.exit(); // it is gone
  }
};

const killIn = (ms: number): void => {
  clearTimeout(alarm);
  alarm = setTimeout(
    () => {
      signal('SIGKILL');
      process.exit();
    },
    Math.max(0, ms),
  );
};

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => undefined); // meant for redisync

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [id, time = 0] = line.split(' ').map(Number);
    group = id;
    deadline = time;
    killIn(deadline - uptime());
  })
  .on('close', () => {
    if (group === undefined) process.exit();
    const left = Math.max(0, Math.min(grace, deadline - uptime()));
    if (left > 0) signal('SIGTERM');
    killIn(left);
    setInterval(() => signal(0), 50); // so as not to be there when the number is used again
  });
