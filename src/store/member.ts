/** One node of a quorum: what it was asked and granted, so that leaving it leaves nothing there, and whether it has a vote. */
import {
  AsyncSubject,
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  map,
  type Observable,
  of,
  type SchedulerLike,
  tap,
  toArray,
} from 'rxjs';
import { RedisUnreachableError } from '../errors.ts';
import { cancel } from './cancel.ts';
import type { Answer, Mode, Release, Released, Renewal, Request, Store } from './store.ts';

/** The store of a node, which can tell how long its server has been up, and whose clock can be raised. */
export interface Node extends Store {
  uptime(within: number): Observable<number>;
  /** Emits once the clock by which the name draws is at least at this fence. */
  raise(name: string, fence: number, within: number): Observable<true>;
}

/** An owner's dealings with the node. */
interface Dealing {
  /** Whether the lease is exclusive or shared by now, and whether it is so on this node, which may have missed it. */
  wanted: Mode;
  mode: Mode;
  /** The last request for the lease. */
  asked: Observable<Answer>;
  /** Whether that is on its way. */
  asking: boolean;
  /** Server ms until which a request of unknown outcome may still take effect. */
  notAfter: number;
  /** The fence that this node gave, by which it tells this lease from a later one of its owner. */
  fence: number | undefined;
  /** Whether the node said, when it was last asked to renew the lease, that it has it. */
  has: boolean;
  leaving: boolean;
}

export type Vote = 'granted' | 'denied' | 'abstains';

export class Member {
  readonly node: Node;
  private readonly scheduler: SchedulerLike;
  private readonly dealings = new Map<string, Dealing>();

  constructor(node: Node, scheduler: SchedulerLike) {
    this.node = node;
    this.scheduler = scheduler;
  }

  /** Goes on when it is unsubscribed: what is on its way lands, and `release` waits for it. */
  acquire(request: Request, patience: number, within: number): Observable<Vote> {
    const { mode } = request;
    const dealing: Dealing = {
      wanted: mode,
      mode,
      asked: EMPTY,
      asking: false,
      notAfter: 0,
      fence: undefined,
      has: true,
      leaving: false,
    };
    this.dealings.set(keyOf(request.name, request.owner), dealing);
    return this.ask(dealing, request, within).pipe(
      concatMap((answer) => {
        if (!answer.granted) return of<Vote>('denied');
        if (patience === 0) return of<Vote>('granted');
        return this.node.uptime(within).pipe(map((ms): Vote => (ms >= patience ? 'granted' : 'abstains')));
      }),
    );
  }

  /** A node that has missed that the lease was downgraded is told again. */
  renew(request: Request, within: number, downgrade: boolean): Observable<Renewal> {
    const dealing = this.dealings.get(keyOf(request.name, request.owner));
    if (!dealing) return this.node.renew(request, undefined, within, downgrade);
    if (downgrade) dealing.wanted = 'shared';
    const { wanted, mode, fence } = dealing;
    return this.node.renew(request, fence, within, wanted !== mode).pipe(
      tap((renewal) => {
        dealing.has = renewal === 'renewed';
        if (dealing.has) dealing.mode = wanted;
      }),
    );
  }

  /**
   * A majority has renewed the lease: a node that said that it is not there, for it was away when it was granted or has
   * forgotten it since, is asked for it again. Not while it is on its way in or out already.
   */
  heal(request: Request, within: number): void {
    const dealing = this.dealings.get(keyOf(request.name, request.owner));
    if (!dealing || dealing.has || dealing.asking || dealing.leaving || within <= 0) return;
    dealing.mode = dealing.wanted;
    this.ask(dealing, { ...request, mode: dealing.wanted }, within);
  }

  /** After what is on its way has been answered; and once more where that may still land later. */
  release(release: Release, within: number): Observable<Released> {
    const { name, owner } = release;
    const key = keyOf(name, owner);
    return defer(() => {
      const dealing = this.dealings.get(key);
      if (dealing) dealing.leaving = true;
      const settled = (dealing?.asked ?? EMPTY).pipe(
        ignoreElements(),
        catchError(() => EMPTY),
      );
      const once = (): Observable<Released> => this.node.release(release, within);
      const left = defer(() => cancel(once, { notAfter: dealing?.notAfter ?? 0, within, scheduler: this.scheduler }));
      return concat(settled, left).pipe(
        toArray(), // the first outcome tells whether it was held, and is told when nothing can land any more
        concatMap((outcomes) => outcomes.slice(0, 1)),
        finalize(() => dealing === this.dealings.get(key) && this.dealings.delete(key)),
      );
    });
  }

  private ask(dealing: Dealing, request: Request, within: number): Observable<Answer> {
    const asked = new AsyncSubject<Answer>();
    dealing.asked = asked;
    dealing.asking = true;
    this.node
      .acquire(request, false, within)
      .pipe(
        tap({
          next: (answer) => {
            if (answer.granted) dealing.fence = answer.fence;
          },
          error: (error: unknown) => {
            if (error instanceof RedisUnreachableError)
              dealing.notAfter = Math.max(dealing.notAfter, error.notAfter ?? 0);
          },
          finalize: () => {
            dealing.asking = false;
          },
        }),
      )
      .subscribe(asked);
    return asked;
  }
}

const keyOf = (name: string, owner = ''): string => `${name.length}:${name}${owner}`;
