/**
 * The Redlock algorithm (redis.io/docs/latest/develop/clients/patterns/distributed-locks) as a store over independent
 * stores: what a majority grants is held. It keeps no queue, because no node could say who is next. The fence is the
 * highest that a node of that majority drew. It is emitted when a majority that voted for it draws only higher numbers.
 */
import {
  AsyncSubject,
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  merge,
  type Observable,
  of,
  type SchedulerLike,
  shareReplay,
  tap,
  throwError,
} from 'rxjs';
import { type Clock, clockOf } from '../clock.ts';
import { isTransient } from '../errors.ts';
import type { Announcements } from './announcements.ts';
import { inspect, list } from './quorum/inspection.ts';
import { decided, Majority } from './quorum/majority.ts';
import { Member } from './quorum/member.ts';
import type { Node } from './quorum/node-lease.ts';
import type { Answer, Grant, Inspection, Release, Released, Renewal, Request, Store } from './store.ts';

/** The denial of a quorum: nothing tells when the lock is free, so waiters ask again by back-off. */
const DENIED: Answer = {
  granted: false,
  wait: Number.POSITIVE_INFINITY,
  rank: undefined,
  announced: false,
  drawn: 0,
  ticket: 0,
};

interface QuorumTerms {
  /** How many nodes must agree. */
  readonly quorum: number;
  /** ms after its start for which a node has no vote; 0: it votes at once. */
  readonly delayedRestart: number;
}

export class QuorumStore implements Store {
  readonly noQueue = true;
  readonly grants$: Observable<Grant>;
  private readonly clock: Clock;
  private readonly announcements: Announcements;
  private readonly majority: Majority;
  private readonly delayedRestart: number;

  constructor(nodes: readonly Node[], announcements: Announcements, scheduler: SchedulerLike, terms: QuorumTerms) {
    this.clock = clockOf(scheduler);
    this.announcements = announcements;
    this.grants$ = announcements.woken$;
    const members = nodes.map((node) => new Member(node, scheduler));
    this.majority = new Majority(members, terms.quorum);
    this.delayedRestart = terms.delayedRestart;
  }

  /** That of one node, where too few are left. */
  get lastError(): Error | undefined {
    const all = this.majority.members.flatMap(({ node }) => node.lastError ?? []);
    return all.length > this.majority.spare ? all[0] : undefined;
  }

  /** Emits the majority's answer without waiting for slow nodes. What a minority granted is cancelled before a denial is emitted. */
  acquire(request: Request, stay: boolean, within: number): Observable<Answer> {
    const { majority, clock, announcements } = this;
    const { name, owner, ttl } = request;
    const asked = clock.now();
    const each = nodeTimeout(ttl, within);
    const minUptime = this.delayedRestart && Math.max(this.delayedRestart, ttl);
    const undone = <T>(then: Observable<T>, waits: boolean): Observable<T> => {
      if (stay && waits) announcements.wait(name, owner, clock.now() - asked);
      // No message is published: waiters that try again because of it would again leave each other with minorities.
      return concat(merge(...majority.members.map((member) => member.cancel({ name, owner }, each))), then);
    };
    return majority
      .poll((member) => member.acquire(request, minUptime, each))
      .pipe(
        decided(({ values, errors, left }): Answer | undefined => {
          const granted = values.filter((vote) => typeof vote === 'number');
          const voted = granted.length + values.filter((vote) => vote === 'denied').length;
          if (granted.length >= majority.needed) return { granted: true, fence: Math.max(...granted) };
          if (granted.length + left >= majority.needed) return undefined;
          if (voted >= majority.needed) return DENIED;
          if (left > 0) return undefined;
          throw majority.failure(name, voted, errors);
        }),
        concatMap((answer) => {
          const rest = Math.max(1, Math.min(each, Math.ceil(asked + within - clock.now())));
          return answer.granted ? this.raised(request, answer, rest) : undone(of(answer), true);
        }),
        tap(({ granted }) => granted && announcements.leave(name, owner)),
        catchError((error: unknown) =>
          undone(
            throwError(() => error),
            isTransient(error),
          ),
        ), // else its waiter has ended
      );
  }

  /** Emits the majority's answer, and goes on until every node has answered: a node that lacks a lease that a majority has is given it again. */
  renew(request: Request, fence = 0, within: number, downgrade = false): Observable<Renewal> {
    const { majority, clock } = this;
    return defer(() => {
      const each = nodeTimeout(request.ttl, within);
      const over = clock.now() + request.ttl;
      const outcome = new AsyncSubject<Renewal>();
      const heal = (member: Member): void => {
        const rest = Math.min(each, Math.floor(over - clock.now()));
        const next = (renewal: Renewal): unknown => renewal === 'renewed' && member.heal(request, fence, rest);
        outcome.subscribe({ next, error: () => undefined });
      };
      const polls$ = majority
        .poll((member) => member.renew(request, fence, each, downgrade).pipe(tap(() => heal(member))))
        .pipe(shareReplay(1));
      polls$
        .pipe(
          decided(({ values, errors, left }): Renewal | undefined => {
            const renewed = values.filter((value) => value === 'renewed').length;
            if (renewed >= majority.needed) return 'renewed';
            if (values.length - renewed > majority.spare) return 'taken';
            if (left > 0) return undefined;
            throw majority.failure(request.name, values.length, errors);
          }),
        )
        .subscribe(outcome);
      return outcome;
    });
  }

  /** Emits whether a majority had the lease, and goes on until every node has answered or failed. The nodes publish the release to waiters. */
  release(release: Release, within: number): Observable<Released> {
    const { name, owner, keep } = release;
    const { needed } = this.majority;
    return defer(() => {
      if (owner !== undefined) this.announcements.leave(name, owner);
      let told = false;
      return this.majority
        .poll((member) => member.release({ ...release, tell: !keep }, within))
        .pipe(
          concatMap(({ values, errors, left }): Observable<Released> => {
            const held = values.filter((departure) => departure.held).length;
            const decided = held >= needed || held + left < needed;
            if (left === 0 && values.length < needed) {
              return throwError(() => this.majority.failure(name, values.length, errors));
            }
            if (told || !decided || values.length < needed) return EMPTY;
            told = true;
            return of({ held: held >= needed, grants: 0, now: Math.max(...values.map(({ now }) => now)) });
          }),
        );
    });
  }

  inspect(name: string, within: number, most?: number): Observable<Inspection> {
    return inspect(this.majority, name, within, most);
  }

  list(pattern: string, within: number): Observable<string> {
    return list(this.majority, pattern, within);
  }

  close(): void {
    this.announcements.close();
    for (const { node } of this.majority.members) node.close();
  }

  /**
   * Emits the grant when a majority of all nodes, each of which voted for it, draws only fences above its own. A node that
   * did not vote for it does not count: it may have voted for the next lease already, before it was raised.
   */
  private raised<T extends { fence: number }>(request: Request, grant: T, within: number): Observable<T> {
    const { majority } = this;
    return majority
      .poll((member) => member.raise(request, grant.fence, within))
      .pipe(
        decided(({ values, errors, left }): T | undefined => {
          const raised = values.filter(Boolean).length;
          if (raised >= majority.needed) return grant;
          if (left > 0) return undefined;
          throw majority.failure(request.name, raised, errors);
        }),
      );
  }
}

/** ms that one node may take: a twentieth of the ttl, so that a node that is down costs little of the lease, but at least 100. */
const nodeTimeout = (ttl: number, within: number): number => Math.min(within, Math.max(100, Math.floor(ttl / 20)));
