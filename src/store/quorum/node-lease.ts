/** The state of one owner's lease on one node of a quorum: what was asked, what the node has, and what may still take effect there. */
import {
  AsyncSubject,
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  ignoreElements,
  map,
  type Observable,
  of,
  type SchedulerLike,
  tap,
  toArray,
} from 'rxjs';
import { RedisUnreachableError } from '../../errors.ts';
import { cancel } from '../cancel.ts';
import type { Answer, Mode, Release, Released, Renewal, Request, Store } from '../store.ts';

/** The store of a node. */
export interface Node extends Store {
  /** ms for which its server has been up. */
  uptime(within: number): Observable<number>;
  /**
   * Raises the node: its clock becomes at least `fence`, so that it draws only higher numbers, and the owner's lease gets
   * that fence, if it has the fence `own` there (undefined: any). Harmless however late it arrives.
   */
  raise(lease: Release, own: number | undefined, fence: number, within: number): Observable<unknown>;
}

/** A node's vote: the fence that it drew, or 'denied'. A node that has started recently may have forgotten a grant, so it abstains. */
export type Vote = number | 'denied' | 'abstains';

export class NodeLease {
  private readonly node: Node;
  private readonly lease: Release;
  /** What the node voted when the lease was first asked for. */
  private readonly vote = new AsyncSubject<Vote>();
  /** The mode that the lease has by now, and the mode on this node, which may have missed a downgrade. */
  private wanted: Mode;
  private mode: Mode;
  /** The last request for the lease, and whether it is in flight. */
  private asked: Observable<Answer> = EMPTY;
  private asking = false;
  /** Server ms until which a request of unknown outcome may still take effect. */
  private notAfter: number | undefined;
  /** The fence that the lease has on this node; undefined where that is not known. */
  private fence: number | undefined;
  /** Whether the node had the lease at the last renewal. */
  private has = true;
  private leaving = false;

  constructor(node: Node, { name, owner, mode }: Request) {
    this.node = node;
    this.lease = { name, owner };
    this.wanted = mode;
    this.mode = mode;
  }

  /** Goes on when it is unsubscribed: the request is in flight, and `release` waits for its answer. */
  acquire(request: Request, minUptime: number, within: number): Observable<Vote> {
    this.ask(request, within)
      .pipe(
        concatMap((answer): Observable<Vote> => {
          if (!answer.granted) return of('denied');
          const { fence } = answer;
          if (minUptime === 0) return of(fence);
          return this.node.uptime(within).pipe(map((ms) => (ms >= minUptime ? fence : 'abstains')));
        }),
      )
      .subscribe(this.vote);
    return this.vote;
  }

  /** Emits whether the node has voted for the lease and draws only higher fences from now on. Goes on when it is unsubscribed. */
  raise(fence: number, within: number): Observable<boolean> {
    const raised = new AsyncSubject<boolean>();
    this.vote
      .pipe(
        concatMap((vote) => {
          if (vote === 'denied') return of(false);
          return this.lift(fence, within).pipe(map(() => vote !== 'abstains'));
        }),
      )
      .subscribe(raised);
    return raised;
  }

  /** Renews the lease on this node. If the node has missed a downgrade, the renewal asks for it again. */
  renew(request: Request, fence: number, within: number, downgrade: boolean): Observable<Renewal> {
    if (downgrade) this.wanted = 'shared';
    const { wanted } = this;
    return this.node.renew(request, fence, within, wanted !== this.mode).pipe(
      tap((renewal) => {
        this.has = renewal === 'renewed';
        if (this.has) this.mode = wanted;
      }),
    );
  }

  /**
   * Gives the lease back to a node that lacks it, once a majority has renewed it: the node was away when the lease was
   * granted, or has forgotten it since. Does nothing while an acquire or a release of it is in flight.
   */
  heal(request: Request, fence: number, within: number): void {
    if (this.has || this.asking || this.leaving || within <= 0) return;
    this.mode = this.wanted;
    this.ask({ ...request, mode: this.wanted }, within)
      .pipe(concatMap((answer) => (answer.granted ? this.lift(fence, within) : EMPTY)))
      .subscribe({ error: () => undefined }); // the next renewal tells whether it is to be done again
  }

  /** Releases the lease on this node, after the request in flight has been answered; and again after the not-after of a request of unknown outcome. */
  release(release: Release, within: number, scheduler: SchedulerLike): Observable<Released> {
    return defer(() => {
      this.leaving = true;
      const settled = this.asked.pipe(
        ignoreElements(),
        catchError(() => EMPTY),
      );
      const once = (): Observable<Released> =>
        this.node.release({ ...release, fence: release.fence && this.fence }, within);
      const left = defer(() => cancel(once, { notAfter: this.notAfter, within, scheduler }));
      return concat(settled, left).pipe(
        toArray(), // the first outcome says whether it was held, and is emitted when nothing can take effect any more
        concatMap((outcomes) => outcomes.slice(0, 1)),
      );
    });
  }

  /** Raises the node to the fence of the lease, in place of the one that the node drew. */
  private lift(fence: number, within: number): Observable<unknown> {
    const { fence: own } = this;
    if (own === fence) return of(undefined);
    this.fence = undefined;
    const lifted = (): void => {
      this.fence = fence;
    };
    return this.node.raise(this.lease, own, fence, within).pipe(tap(lifted));
  }

  private ask(request: Request, within: number): Observable<Answer> {
    const asked = new AsyncSubject<Answer>();
    this.asked = asked;
    this.asking = true;
    this.node
      .acquire(request, false, within)
      .pipe(
        tap({
          next: (answer) => {
            if (answer.granted) this.fence = answer.fence;
          },
          error: (error: unknown) => {
            if (error instanceof RedisUnreachableError && error.notAfter !== undefined)
              this.notAfter = Math.max(this.notAfter ?? 0, error.notAfter);
          },
          finalize: () => {
            this.asking = false;
          },
        }),
      )
      .subscribe(asked);
    return asked;
  }
}
