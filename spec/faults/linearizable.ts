/**
 * Whether operations that overlapped in time can have happened one at a time, each at some moment between its call and
 * its answer: the search of Wing and Gong (1993), which remembers where it has been (Lowe 2017).
 */

export interface Operation<S> {
  readonly asked: number;
  /** When it was answered; one that never was may have happened at any later time, or not at all. */
  readonly done?: number;
  /** The state after it; undefined where it cannot have happened as it was seen to. */
  readonly apply: (state: S) => S | undefined;
}

export const linearizable = <S>(
  operations: readonly Operation<S>[],
  initial: S,
  ends: (state: S) => boolean = () => true,
): boolean => {
  const all = [...operations].sort((a, b) => a.asked - b.asked);
  const taken = new Set<number>();
  const been = new Set<string>();
  const search = (state: S, first: number): boolean => {
    let from = first;
    while (taken.has(from)) from += 1;
    const beyond = [...taken].filter((i) => i > from).sort((a, b) => a - b);
    const place = `${from} ${beyond.join()} ${JSON.stringify(state)}`;
    if (been.has(place)) return false;
    been.add(place);
    let answered = Number.POSITIVE_INFINITY; // the first answer of those left: what was asked after it comes after it
    const left: [number, Operation<S>][] = [];
    for (let i = from; i < all.length; i += 1) {
      const operation = all[i];
      if (!operation || taken.has(i)) continue;
      if (operation.asked > answered) break;
      left.push([i, operation]);
      answered = Math.min(answered, operation.done ?? Number.POSITIVE_INFINITY);
    }
    if (answered === Number.POSITIVE_INFINITY && ends(state)) return true;
    for (const [i, operation] of left) {
      if (operation.asked > answered) continue;
      const next = operation.apply(state);
      if (next === undefined) continue;
      taken.add(i);
      if (search(next, from)) return true;
      taken.delete(i);
    }
    return false;
  };
  return search(initial, 0);
};
