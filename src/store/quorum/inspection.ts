/** What `inspect` and `list` say on a quorum: what a majority of the nodes agrees on. A lease that fewer nodes have is left out. */
import { concatMap, filter, map, mergeMap, type Observable, takeLast, toArray } from 'rxjs';
import type { Holder, Inspection } from '../store.ts';
import type { Majority } from './majority.ts';

/** The fence is the highest number that a majority has reached: a node that was not raised may show a fence of its own. */
export const inspect = (majority: Majority, name: string, within: number, most?: number): Observable<Inspection> =>
  majority
    .poll(({ node }) => node.inspect(name, within, most))
    .pipe(
      takeLast(1),
      map(({ values, errors }) => {
        if (values.length < majority.needed) throw majority.failure(name, values.length, errors);
        const told = values.flatMap(({ holders }) => holders);
        const owners = new Set(told.map(keyOf));
        const holders = [...owners].flatMap((one) => {
          const same = told.filter((holder) => keyOf(holder) === one);
          return agreed(same, majority.needed);
        });
        const fences = values.map(({ fence = 0 }) => fence).sort((a, b) => b - a);
        return { name, holders, waiting: [], fence: (holders.length > 0 && fences[majority.needed - 1]) || undefined };
      }),
    );

export const list = (majority: Majority, pattern: string, within: number): Observable<string> =>
  majority
    .poll(({ node }) => node.list(pattern, within).pipe(toArray()))
    .pipe(
      takeLast(1),
      concatMap(({ values, errors }) => {
        if (values.length < majority.needed) throw majority.failure(undefined, values.length, errors);
        return new Set(values.flat());
      }),
      mergeMap((name) => inspect(majority, name, within), 16),
      filter(({ holders }) => holders.length > 0),
      map(({ name }) => name),
    );

/** A holder as its majority sees it: of the nodes with the most time left, the last one that the majority needs. */
const agreed = (same: readonly Holder[], needed: number): Holder[] => {
  const last = [...same].sort((a, b) => b.remaining - a.remaining)[needed - 1];
  return last ? [last] : [];
};

const keyOf = ({ mode, owner }: Holder): string => `${mode} ${owner}`;
