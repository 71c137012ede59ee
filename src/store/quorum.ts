/**
 * The Redlock algorithm (redis.io/docs/latest/develop/clients/patterns/distributed-locks) as a store over independent
 * stores: what a majority grants is held. It keeps no queue, for no node could say whose turn it is, and gives no
 * fencing token, for tokens of different nodes are in no order.
 */
import {
  AsyncSubject,
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  type Observable,
  of,
  type SchedulerLike,
  shareReplay,
  take,
  tap,
  throwError,
} from 'rxjs';
import { type Clock, clockOf } from '../clock.ts';
import { isTransient } from '../errors.ts';
import type { Announcements } from './announcements.ts';
import { cancel } from './cancel.ts';
import { Member, type Node } from './member.ts';
import { Majority } from './quorum/majority.ts';
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
  private readonly scheduler: SchedulerLike;
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
    this.scheduler = scheduler;
    this.announcements = announcements;
    this.grants$ = announcements.woken$;
    const members = nodes.map((node) => new Member(node, scheduler));
    this.majority = new Majority(members, quorum);
    this.delayedRestart = delayedRestart;
  }

  get trouble(): Error | undefined {
    return this.majority.members.map(({ node }) => node.trouble).find((trouble) => trouble !== undefined);
  }

  /** Emits with the majority's answer: a slow node is not waited for. What a minority granted is given back first. */
  acquire(request: Request, stay: boolean, within: number): Observable<Answer> {
    const { majority } = this;
    const { name, owner, ttl } = request;
    const asked = this.clock.now();
    const each = patience(ttl, within);
    const patient = this.delayedRestart && Math.max(this.delayedRestart, ttl);
    return majority
      .poll((member) => member.acquire(request, patient, each))
      .pipe(
        map(({ values, errors, left }): Answer | Error | undefined => {
          const granted = values.filter((vote) => vote === 'granted').length;
          const denied = values.filter((vote) => vote === 'denied').length;
          if (granted >= majority.needed) return { granted: true, fence: undefined };
          if (granted + left >= majority.needed) return undefined;
          if (granted + denied >= majority.needed) return DENIED;
          return left > 0 ? undefined : majority.failure(name, granted + denied, errors);
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

  /** Goes on until every node has answered: one that is without the lease that a majority has is given it again. */
  renew(request: Request, _fence: number | undefined, within: number, downgrade = false): Observable<Renewal> {
    const { majority, clock } = this;
    return defer(() => {
      const each = patience(request.ttl, within);
      const over = clock.now() + request.ttl;
      const outcome = new AsyncSubject<Renewal>();
      const heal = (member: Member): void => member.heal(request, Math.min(each, Math.floor(over - clock.now())));
      const healed = (member: Member): Observable<Renewal> =>
        member.renew(request, each, downgrade).pipe(
          tap(() => {
            outcome.subscribe({ next: (renewal) => renewal === 'renewed' && heal(member), error: () => undefined });
          }),
        );
      const polls$ = majority.poll(healed).pipe(shareReplay(1));
      polls$
        .pipe(
          map(({ values, errors, left }): Renewal | Error | undefined => {
            const renewed = values.filter((value) => value === 'renewed').length;
            if (renewed >= majority.needed) return 'renewed';
            if (values.length - renewed > majority.spare) return 'taken';
            return left > 0 ? undefined : majority.failure(request.name, values.length, errors);
          }),
          filter((verdict) => verdict !== undefined),
          take(1),
          map((verdict) => {
            if (verdict instanceof Error) throw verdict;
            return verdict;
          }),
        )
        .subscribe(outcome);
      return outcome;
    });
  }

  /** Emits whether a majority gave a lease up, and goes on until every node has answered or failed to. Who waits is told. */
  release({ name, owner }: Release, within: number): Observable<Released> {
    const { needed } = this.majority;
    return defer(() => {
      if (owner !== undefined) this.announcements.leave(name, owner);
      let told = false;
      return this.majority
        .poll((member) => member.release({ name, owner, tell: true }, within))
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

  inspect(name: string, within: number): Observable<Inspection> {
    return inspect(this.majority, name, within);
  }

  list(pattern: string, within: number): Observable<string> {
    return list(this.majority, pattern, within);
  }

  close(): void {
    this.announcements.close();
    for (const { node } of this.majority.members) node.close();
  }

  /** What a minority granted. Nobody is told: whoever tries again because of it would do the same to the others. */
  private giveBack(name: string, owner: string, within: number): Observable<never> {
    const each = this.majority.members.map((member) =>
      // twice: a release is sent when what was asked for has been answered
      cancel(() => member.release({ name, owner }, within), { within: 2 * within, scheduler: this.scheduler }).pipe(
        ignoreElements(),
        catchError(() => EMPTY),
      ),
    );
    return merge(...each);
  }
}

/** How long one node may take, so that one that is down costs little of the lease: a twentieth, but a round trip for certain. */
const patience = (ttl: number, within: number): number => Math.min(within, Math.max(100, Math.floor(ttl / 20)));
