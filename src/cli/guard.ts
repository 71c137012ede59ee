/**
 * The guard: a process that ends a command's group before its lease can expire if redisync is killed or stopped. It reads
 * lines "GROUP TIME" on stdin: the process group, and the time by `uptime` at which it must have ended.
 *
 * Arguments: ms between SIGTERM and SIGKILL after redisync has ended; 0 for SIGKILL at once.
 */
import { createInterface } from 'node:readline';
import { uptime } from './machine-uptime.ts';

const grace = Number(process.argv[2]);
let group: number | undefined;
let deadline = 0;
let alarm: NodeJS.Timeout | undefined;

const signal = (name: NodeJS.Signals | 0): void => {
  try {
    if (group !== undefined) process.kill(-group, name);
  } catch {
    process.exit(); // the group has ended
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
    setInterval(() => signal(0), 50); // exits as soon as the group has ended, before its number can be used again
  });
