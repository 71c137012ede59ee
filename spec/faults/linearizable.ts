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
  /** All operations before `from` have happened, and those. Whatever the history's length, few are in flight at a time. */
  interface Step {
    readonly state: S;
    readonly from: number;
    readonly beyond: readonly number[];
  }
  const all = [...operations].sort((a, b) => a.asked - b.asked);
  const been = new Set<string>();
  const steps: Step[] = [{ state: initial, from: 0, beyond: [] }];
  for (let step = steps.pop(); step; step = steps.pop()) {
    const { state } = step;
    let { from } = step;
    while (step.beyond.includes(from)) from += 1;
    const beyond = step.beyond.filter((i) => i > from).sort((a, b) => a - b);
    const key = `${from} ${beyond.join()} ${JSON.stringify(state)}`;
    if (been.has(key)) continue;
    been.add(key);
    let answered = Number.POSITIVE_INFINITY; // the first answer of those left: what was asked after it comes after it
    const left: [number, Operation<S>][] = [];
    for (let i = from; i < all.length; i += 1) {
      const operation = all[i];
      if (!operation || beyond.includes(i)) continue;
      if (operation.asked > answered) break;
      left.push([i, operation]);
      answered = Math.min(answered, operation.done ?? Number.POSITIVE_INFINITY);
    }
    if (answered === Number.POSITIVE_INFINITY && ends(state)) return true;
    for (const [i, operation] of left.reverse()) {
      const next = operation.asked > answered ? undefined : operation.apply(state);
      if (next !== undefined) steps.push({ state: next, from, beyond: [...beyond, i] });
    }
  }
  return false;
};
