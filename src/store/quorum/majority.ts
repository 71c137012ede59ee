/** Asks all nodes of a quorum at once, and decides by what a majority of them answers. */
import { catchError, filter, map, merge, type Observable, type OperatorFunction, of, pipe, scan, take } from 'rxjs';
import { isTransient, RedisUnreachableError } from '../../errors.ts';
import type { Member } from './member.ts';

/** The answers and errors of the nodes so far, and how many have yet to answer. */
interface Poll<T> {
  readonly values: readonly T[];
  readonly errors: readonly unknown[];
  readonly left: number;
}

/** Emits the first verdict. @param judge returns undefined as long as the answers that are left may change the verdict */
export const decided = <T, V extends {}>(judge: (poll: Poll<T>) => V | undefined): OperatorFunction<Poll<T>, V> =>
  pipe(
    map(judge),
    filter((verdict) => verdict !== undefined),
    take(1),
  );

export class Majority {
  readonly members: readonly Member[];
  /** How many nodes must agree. */
  readonly needed: number;

  constructor(members: readonly Member[], needed: number) {
    this.members = members;
    this.needed = needed;
  }

  /** How many nodes may disagree. */
  get spare(): number {
    return this.members.length - this.needed;
  }

  poll<T>(ask: (member: Member) => Observable<T>): Observable<Poll<T>> {
    const ballots = this.members.map((member) =>
      ask(member).pipe(
        take(1),
        map((value) => ({ values: [value], errors: [] as unknown[] })),
        catchError((error: unknown) => of({ values: [] as T[], errors: [error] })),
      ),
    );
    const none: Poll<T> = { values: [], errors: [], left: this.members.length };
    return merge(...ballots).pipe(
      scan(
        (poll, { values, errors }) => ({
          values: [...poll.values, ...values],
          errors: [...poll.errors, ...errors],
          left: poll.left - 1,
        }),
        none,
      ),
    );
  }

  /** The error when too few nodes agree. Its not-after is 0: something may have been sent, and it is not known until when it may take effect. */
  failure(name: string | undefined, answered: number, errors: readonly unknown[]): Error {
    const [cause] = errors;
    const final = errors.filter((error) => !isTransient(error));
    if (final.length > this.spare && final[0] instanceof Error) return final[0];
    const message = `The quorum needs ${this.needed} of ${this.members.length} nodes, and ${answered} answered with a vote`;
    return new RedisUnreachableError(name, message, 0, cause);
  }
}
