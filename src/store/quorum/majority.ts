/** The members of a quorum, and what a majority of them says: all are asked at once, and each answer is told as it comes. */
import { catchError, filter, map, merge, type Observable, type OperatorFunction, of, pipe, scan, take } from 'rxjs';
import { isTransient, RedisUnreachableError } from '../../errors.ts';
import type { Member } from '../member.ts';

/** What the nodes have said so far, and how many have yet to. */
export interface Poll<T> {
  readonly values: readonly T[];
  readonly errors: readonly unknown[];
  readonly left: number;
}

/** The first verdict on what was said so far. @param judge undefined where the answers that are left may change it */
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

  /** How many nodes may say otherwise. */
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

  /** Not after 0: something may have been sent, and nothing is known of when it can still land. */
  failure(name: string | undefined, answered: number, errors: readonly unknown[]): Error {
    const [cause] = errors;
    const final = errors.filter((error) => !isTransient(error));
    if (final.length > this.spare && final[0] instanceof Error) return final[0];
    const message = `${this.needed} of ${this.members.length} nodes are needed, and ${answered} had a vote`;
    return new RedisUnreachableError(name, message, 0, cause);
  }
}
