/** What one owner has to do with one node of a quorum: what was asked, what the node has, and what may still land there. */
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
   * The owner's lease, where it has this fence of the node's own (undefined for any), has the lease's from then on, and
   * every number that the node draws is higher. Harmless however late it comes.
   */
  raise(lease: Release, own: number | undefined, fence: number, within: number): Observable<unknown>;
}

/** The fence of its grant, if that is one; a node that may have forgotten another's abstains. */
export type Vote = number | 'denied' | 'abstains';

export class Dealing {
  private readonly node: Node;
  private readonly lease: Release;
  /** What the node votes when the lease is first asked for. */
  private readonly vote = new AsyncSubject<Vote>();
  /** Whether the lease is exclusive or shared by now, and whether it is so on this node, which may have missed it. */
  private wanted: Mode;
  private mode: Mode;
  /** The last request for the lease, and whether it is on its way. */
  private asked: Observable<Answer> = EMPTY;
  private asking = false;
  /** Server ms until which a request of unknown outcome may still take effect. */
  private notAfter = 0;
  /** The fence that the lease has on this node; undefined where that is not known. */
  private fence: number | undefined;
  /** Whether the node said, when it was last asked to renew the lease, that it has it. */
  private has = true;
  private leaving = false;

  constructor(node: Node, { name, owner, mode }: Request) {
    this.node = node;
    this.lease = { name, owner };
    this.wanted = mode;
    this.mode = mode;
  }

  /** Goes on when it is unsubscribed: what is on its way lands, and `release` waits for it. */
  acquire(request: Request, patience: number, within: number): Observable<Vote> {
    this.ask(request, within)
      .pipe(
        concatMap((answer): Observable<Vote> => {
          if (!answer.granted) return of('denied');
          const { fence } = answer;
          if (patience === 0) return of(fence);
          return this.node.uptime(within).pipe(map((ms) => (ms >= patience ? fence : 'abstains')));
        }),
      )
      .subscribe(this.vote);
    return this.vote;
  }

  /** Emits whether the node has voted for the lease and draws higher fences from now on. Goes on when it is unsubscribed. */
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

  /** A node that has missed that the lease was downgraded is told again. */
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
   * A majority has renewed the lease: a node that said that it is not there, with this fence, is asked for it again, for
   * it was away when the lease was granted or has forgotten it since. Not while it is on its way in or out already.
   */
  heal(request: Request, fence: number, within: number): void {
    if (this.has || this.asking || this.leaving || within <= 0) return;
    this.mode = this.wanted;
    this.ask({ ...request, mode: this.wanted }, within)
      .pipe(concatMap((answer) => (answer.granted ? this.lift(fence, within) : EMPTY)))
      .subscribe({ error: () => undefined }); // the next renewal tells whether it is to be done again
  }

  /** After what is on its way has been answered; and once more where that may still land later. */
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
        toArray(), // the first outcome tells whether it was held, and is told when nothing can land any more
        concatMap((outcomes) => outcomes.slice(0, 1)),
      );
    });
  }

  /** Gives the lease on the node its fence, and not that of the node's own. */
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
            if (error instanceof RedisUnreachableError) this.notAfter = Math.max(this.notAfter, error.notAfter ?? 0);
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
