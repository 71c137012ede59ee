/**
 * The Redlock algorithm (redis.io/docs/latest/develop/clients/patterns/distributed-locks) as a store over independent
 * stores: what a majority grants is held. It keeps no queue, for no node could say whose turn it is, and gives no
 * fencing token, for tokens of different nodes are in no order.
 */
import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  type SchedulerLike,
  scan,
  take,
  takeLast,
  throwError,
  toArray,
} from 'rxjs';
import { type Clock, clockOf } from '../clock.ts';
import { isTransient, RedisUnreachableError } from '../errors.ts';
import type { Announcements } from './announcements.ts';
import { cancel } from './cancel.ts';
import { Member, type Node } from './member.ts';
import type { Answer, Grant, Holder, Inspection, Release, Released, Renewal, Request, Store } from './store.ts';

/** A denial that nothing announces the end of, so that only the back-off says when to ask again. */
const DENIED: Answer = {
  granted: false,
  wait: Number.POSITIVE_INFINITY,
  rank: undefined,
  announced: false,
  clock: 0,
  ticket: 0,
};

/** What the nodes have said so far, and how many have yet to. */
interface Poll<T> {
  readonly values: readonly T[];
  readonly errors: readonly unknown[];
  readonly left: number;
}

export interface QuorumTerms {
  /** How many nodes must agree. */
  readonly quorum: number;
  /** ms for which a node has no vote after its start; 0 for a vote at once. */
  readonly delayedRestart: number;
}

export class QuorumStore implements Store {
  readonly grants$: Observable<Grant>;
  private readonly clock: Clock;
  private readonly scheduler: SchedulerLike;
  private readonly announcements: Announcements;
  private readonly members: readonly Member[];
  private readonly quorum: number;
  private readonly delayedRestart: number;

  constructor(
    nodes: readonly Node[],
    announcements: Announcements,
    scheduler: SchedulerLike,
    { quorum, delayedRestart }: QuorumTerms,
  ) {
    this.clock = clockOf(scheduler);
    this.scheduler = scheduler;
    this.announcements = announcements;
    this.grants$ = announcements.woken$;
    this.members = nodes.map((node) => new Member(node, scheduler));
    this.quorum = quorum;
    this.delayedRestart = delayedRestart;
  }

  /** Emits with the majority's answer: a slow node is not waited for. What a minority granted is given back first. */
  acquire(request: Request, stay: boolean, within: number): Observable<Answer> {
    const { name, owner, ttl } = request;
    const asked = this.clock.now();
    const each = patience(ttl, within);
    const patient = this.delayedRestart && Math.max(this.delayedRestart, ttl);
    return this.poll((member) => member.acquire(request, patient, each)).pipe(
      map(({ values, errors, left }): Answer | Error | undefined => {
        const granted = values.filter((vote) => vote === 'granted').length;
        const denied = values.filter((vote) => vote === 'denied').length;
        if (granted >= this.quorum) return { granted: true, fence: undefined };
        if (granted + left >= this.quorum) return undefined;
        if (granted + denied >= this.quorum) return DENIED;
        return left > 0 ? undefined : this.failure(name, granted + denied, errors);
      }),
      filter((verdict) => verdict !== undefined),
      take(1),
      concatMap((verdict) => {
        const answer = verdict instanceof Error ? throwError(() => verdict) : of(verdict);
        if (!(verdict instanceof Error) && verdict.granted) {
          this.announcements.leave(name, owner);
          return answer;
        }
        const over = verdict instanceof Error && !isTransient(verdict); // then its waiter has ended, and need not leave
        if (stay && !over) this.announcements.wait(name, owner, this.clock.now() - asked);
        return concat(this.giveBack(name, owner, each), answer);
      }),
    );
  }

  renew(request: Request, _fence: number | undefined, within: number, downgrade = false): Observable<Renewal> {
    const each = patience(request.ttl, within);
    return this.poll((member) => member.renew(request, each, downgrade)).pipe(
      map(({ values, errors, left }): Renewal | Error | undefined => {
        const renewed = values.filter((value) => value === 'renewed').length;
        const over = values.length - renewed;
        if (renewed >= this.quorum) return 'renewed';
        if (over > this.members.length - this.quorum) return values.includes('taken') ? 'taken' : 'gone';
        return left > 0 ? undefined : this.failure(request.name, values.length, errors);
      }),
      filter((verdict) => verdict !== undefined),
      take(1),
      map((verdict) => {
        if (verdict instanceof Error) throw verdict;
        return verdict;
      }),
    );
  }

  /** Emits whether a majority gave a lease up, and goes on until every node has answered or failed to. Who waits is told. */
  release({ name, owner }: Release, within: number): Observable<Released> {
    return defer(() => {
      if (owner !== undefined) this.announcements.leave(name, owner);
      let told = false;
      return this.poll((member) => member.release({ name, owner, tell: true }, within)).pipe(
        concatMap(({ values, errors, left }): Observable<Released> => {
          const held = values.filter((departure) => departure.held).length;
          const decided = held >= this.quorum || held + left < this.quorum;
          if (left === 0 && values.length < this.quorum) {
            return throwError(() => this.failure(name, values.length, errors));
          }
          if (told || !decided || values.length < this.quorum) return EMPTY;
          told = true;
          return of({ held: held >= this.quorum, grants: 0, now: Math.max(...values.map(({ now }) => now)) });
        }),
      );
    });
  }

  /** The majority's view: a lease that fewer nodes know of is none. */
  inspect(name: string, within: number): Observable<Inspection> {
    return this.poll((member) => member.node.inspect(name, within)).pipe(
      takeLast(1),
      map(({ values, errors }) => {
        if (values.length < this.quorum) throw this.failure(name, values.length, errors);
        const told = values.flatMap(({ holders }) => holders);
        const owners = new Set(told.map(({ owner, mode }) => `${mode} ${owner}`));
        const holders = [...owners].flatMap((one) => this.agreed(told.filter((h) => `${h.mode} ${h.owner}` === one)));
        return { name, holders, waiting: [], fence: undefined };
      }),
    );
  }

  list(pattern: string, within: number): Observable<string> {
    return this.poll((member) => member.node.list(pattern, within).pipe(toArray())).pipe(
      takeLast(1),
      concatMap(({ values, errors }) => {
        if (values.length < this.quorum) throw this.failure(undefined, values.length, errors);
        return new Set(values.flat());
      }),
      mergeMap((name) => this.inspect(name, within), 16),
      filter(({ holders }) => holders.length > 0),
      map(({ name }) => name),
    );
  }

  close(): void {
    this.announcements.close();
    for (const { node } of this.members) node.close();
  }

  /** Asks all nodes at once, and tells of each answer and each failure as it comes. */
  private poll<T>(ask: (member: Member) => Observable<T>): Observable<Poll<T>> {
    const { members } = this;
    const ballots = members.map((member) =>
      ask(member).pipe(
        take(1),
        map((value) => ({ values: [value], errors: [] as unknown[] })),
        catchError((error: unknown) => of({ values: [] as T[], errors: [error] })),
      ),
    );
    const none: Poll<T> = { values: [], errors: [], left: members.length };
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

  /** What a minority granted. Nobody is told: whoever tries again because of it would do the same to the others. */
  private giveBack(name: string, owner: string, within: number): Observable<never> {
    const each = this.members.map((member) =>
      // twice: a release is sent when what was asked for has been answered
      cancel(() => member.release({ name, owner }, within), { within: 2 * within, scheduler: this.scheduler }).pipe(
        ignoreElements(),
        catchError(() => EMPTY),
      ),
    );
    return merge(...each);
  }

  /** A holder as the last node that its majority needs sees it. */
  private agreed(same: readonly Holder[]): Holder[] {
    const needed = [...same].sort((a, b) => b.remaining - a.remaining)[this.quorum - 1];
    return needed ? [needed] : [];
  }

  /** Not after 0: something may have been sent, and nothing is known of when it can still land. */
  private failure(name: string | undefined, answered: number, errors: readonly unknown[]): Error {
    const { members, quorum } = this;
    const [cause] = errors;
    const final = errors.filter((error) => !isTransient(error));
    if (final.length > members.length - quorum && final[0] instanceof Error) return final[0];
    const message = `${quorum} of ${members.length} nodes are needed, and ${answered} had a vote`;
    return new RedisUnreachableError(name, message, 0, cause);
  }
}

/** How long one node may take, so that one that is down costs little of the lease: a twentieth, but a round trip for certain. */
const patience = (ttl: number, within: number): number => Math.min(within, Math.max(100, Math.floor(ttl / 20)));
