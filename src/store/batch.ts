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
  for (const { command } of calls) values.push(...command.keys);
  const keys = values.length;
  const args = calls.map(({ command, notAfter = 0 }) => command.args(notAfter));
  const width = Math.max(...args.map(({ length }) => length));
  for (const own of args) {
    values.push(...own);
    for (let { length } = own; length < width; length += 1) values.push('');
  }
  return { keys, values };
};

/** What a batch is answered: the server's time, and an answer for each call. A script that takes no batches tells no time. */
export interface Answers {
  readonly now: number | undefined;
  readonly replies: Reply;
}

export const answersOf = ([first]: readonly Call[], reply: unknown): Answers => {
  if (!first?.command.script.batched) return { now: undefined, replies: [reply] };
  const [now, ...replies] = reply as Reply;
  return { now: typeof now === 'number' ? now : undefined, replies };
};
