/** Encodes calls of one script as one command (the keys of all, then the arguments of all), and splits its reply into one answer for each call. */
import type { Call, Reply } from './call.ts';

/** An encoded command: its values, of which the first `keys` are keys. */
interface Batch {
  readonly keys: number;
  readonly values: readonly (string | number)[];
}

/**
 * Encodes the calls. The key of the clock, which they share, comes first; `ofSlot` says that it is the clock of their slot.
 * All calls have equally many keys. Arguments are padded to the longest call's, because the script divides their total by
 * the number of names.
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

/**
 * Splits a reply: the server's time comes first, then one answer for each call, in their order. A script that takes no
 * batches tells no time, and its reply is the one answer. Anything else is returned as answers that are errors.
 */
export const answersOf = (calls: readonly Call[], reply: unknown): Reply => {
  if (!calls[0]?.command.script.batched) return [undefined, reply];
  if (Array.isArray(reply) && reply.length > calls.length) return reply;
  return [undefined, ...calls.map(() => new Error('The reply has not one answer for each call'))];
};
