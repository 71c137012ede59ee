/**
 * The Redlock algorithm (redis.io/docs/latest/develop/clients/patterns/distributed-locks) as a store over independent
 * stores: what a majority grants is held. It keeps no queue, for no node could say whose turn it is. The fence is the
 * highest that a node of the majority gave, and is told only when they all draw higher ones from then on.
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
import { Member } from './member.ts';
import type { Node } from './quorum/dealing.ts';
import { decided, Majority } from './quorum/majority.ts';
import { inspect, list } from './quorum/view.ts';
import type { Answer, Grant, Inspection, Release, Released, Renewal, Request, Store } from './store.ts';

/** A denial that nothing announces the end of, so that only the back-off says when to ask again. */
const DENIED: Answer = {
  granted: false,
  wait: Number.POSITIVE_INFINITY,
  rank: undefined,
  announced: false,
  clock: 0,
  ticket: 0,
};

export interface QuorumTerms {
  /** How many nodes must agree. */
  readonly quorum: number;
  /** ms for which a node has no vote after its start; 0 for a vote at once. */
  readonly delayedRestart: number;
}

export class QuorumStore implements Store {
  readonly grants$: Observable<Grant>;
  private readonly clock: Clock;
  private readonly announcements: Announcements;
  private readonly majority: Majority;
  private readonly delayedRestart: number;

  constructor(
    nodes: readonly Node[],
    announcements: Announcements,
    scheduler: SchedulerLike,
    { quorum, delayedRestart }: QuorumTerms,
  ) {
    this.clock = clockOf(scheduler);
    this.announcements = announcements;
    this.grants$ = announcements.woken$;
    const members = nodes.map((node) => new Member(node, scheduler));
    this.majority = new Majority(members, quorum);
    this.delayedRestart = delayedRestart;
  }

  /** That of one node, where too few are left. */
  get trouble(): Error | undefined {
    const all = this.majority.members.flatMap(({ node }) => node.trouble ?? []);
    return all.length > this.majority.spare ? all[0] : undefined;
  }

  /** Emits with the majority's answer: a slow node is not waited for. What a minority granted is given back first. */
  acquire(request: Request, stay: boolean, within: number): Observable<Answer> {
    const { majority, clock, announcements } = this;
    const { name, owner, ttl } = request;
    const asked = clock.now();
    const each = patience(ttl, within);
    const patient = this.delayedRestart && Math.max(this.delayedRestart, ttl);
    const undone = <T>(then: Observable<T>, waits: boolean): Observable<T> => {
      if (stay && waits) announcements.wait(name, owner, clock.now() - asked);
      // Nobody is told: whoever tries again because of it would do the same to the others.
      return concat(merge(...majority.members.map((member) => member.giveBack({ name, owner }, each))), then);
    };
    return majority
      .poll((member) => member.acquire(request, patient, each))
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

  /** Goes on until every node has answered: one that is without the lease that a majority has is given it again. */
  renew(request: Request, fence = 0, within: number, downgrade = false): Observable<Renewal> {
    const { majority, clock } = this;
    return defer(() => {
      const each = patience(request.ttl, within);
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

  /** Emits whether a majority gave a lease up, and goes on until every node has answered or failed to. Who waits is told. */
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
   * Emits the grant when a majority of the nodes that voted for it draw no fence up to its own any more. The others do
   * not count: they may have voted for the next lease already.
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

/** How long one node may take, so that one that is down costs little of the lease: a twentieth, but a round trip for certain. */
const patience = (ttl: number, within: number): number => Math.min(within, Math.max(100, Math.floor(ttl / 20)));
