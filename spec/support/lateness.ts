/**
 * How late this machine is. A spec says how long something may take where it is the only one to run, so that a bound is
 * strict on an idle machine and holds on a busy one. What timers of this process end is measured in `lived`; where other
 * processes take part, `patience` adds what a timer of this process was late by in the meantime.
 */
import { performance } from 'node:perf_hooks';

/** ms between two looks. */
export const STEP = 10;
/** What is late here is late in each process that takes part: a client, a server, another client and its command. */
const PROCESSES = 4;
/** ms within which lateness counts. */
const WINDOW = 10_000;

const looks: (readonly [at: number, late: number])[] = [];
let due = performance.now() + STEP;
let steps = 0;

const look = (): void => {
  const now = performance.now();
  if (now - due > STEP) looks.push([now, now - due]);
  while (looks[0] && looks[0][0] < now - WINDOW) looks.shift();
  due = now + STEP;
};

setInterval(() => {
  steps += 1;
  look();
}, STEP).unref();

/**
 * The ms that this process has lived, to a step: a time in which it could not run counts as one. Between two moments it is
 * no more than what has passed, and than the time of a timer that ended it, however late that was.
 */
export const lived = (): number => steps * STEP;

/** The ms, and as many more as this machine was late by of late. */
export const patience = (ms: number): number => {
  look();
  return ms + PROCESSES * looks.reduce((sum, [, by]) => sum + by, 0);
};
