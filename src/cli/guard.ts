/**
 * The guard: a process that outlives redisync, and ends a command's group before its lease can expire, should
 * redisync be killed or stopped. It hears lines "GROUP MS" on stdin: the group, and in how many ms it must be gone.
 *
 * Arguments: ms between SIGTERM and SIGKILL once redisync has gone; 0 for SIGKILL at once.
 */
import { createInterface } from 'node:readline';

const grace = Number(process.argv[2]);
let group: number | undefined;
let deadline = Number.POSITIVE_INFINITY;
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
  alarm = setTimeout(() => {
    signal('SIGKILL');
    process.exit();
  }, ms);
};

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => undefined); // meant for redisync

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [id, ms] = line.split(' ').map(Number);
    group = id;
    deadline = performance.now() + (ms ?? 0);
    killIn(ms ?? 0);
  })
  .on('close', () => {
    if (group === undefined) process.exit();
    const left = Math.max(0, Math.min(grace, deadline - performance.now()));
    if (left > 0) signal('SIGTERM');
    killIn(left);
    setInterval(() => signal(0), 50); // so as not to be there when the number is used again
  });
