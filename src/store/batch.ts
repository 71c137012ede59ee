/** The calls of one script as one command, and its reply as an answer for each: the keys of all, then the arguments of all. */
import type { Call, Reply } from './call.ts';

/** A command as it is written: how many of its values are keys, and all of them. */
export interface Batch {
  readonly keys: number;
  readonly values: readonly (string | number)[];
}

/**
 * Every call has as many keys as the others, behind the clock that they share; `ofSlot` where all are of one slot. A script tells their arguments apart by their number, so all get the longest's.
 */
export const batchOf = (calls: readonly Call[], ofSlot: boolean): Batch => {
  const clock = calls[0]?.command.clock?.(ofSlot);
  const values: (string | number)[] = clock === undefined ? [] : [clock];
  const all: (readonly (string | number)[])[] = [];
  let width = 0;
  for (const { command, notAfter = 0 } of calls) {
    for (const key of command.keys) values.push(key);
    const args = command.args(notAfter);
    width = Math.max(width, args.length);
    all.push(args);
  }
  const keys = values.length;
  for (const args of all) for (let i = 0; i < width; i += 1) values.push(args[i] ?? '');
  return { keys, values };
};

/** What a batch is answered: the server's time, then an answer for each call. A script that takes no batches tells no time. */
export const answersOf = ([first]: readonly Call[], reply: unknown): Reply =>
  first?.command.script.batched ? (reply as Reply) : [undefined, reply];
