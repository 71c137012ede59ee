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
import type { Answer, Release, Released, Renewal, Request, Store } from './store.ts';

/** The store of a node, which can tell how long its server has been up. */
export interface Node extends Store {
  uptime(within: number): Observable<number>;
}

/** An owner's dealings with the node. */
interface Dealing {
  readonly asked: AsyncSubject<Answer>;
  /** The token that this node gave, by which it tells a lease that lapsed from one that was taken. */
  fence: number | undefined;
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
    const asked = new AsyncSubject<Answer>();
    const dealing: Dealing = { asked, fence: undefined };
    this.dealings.set(keyOf(request.name, request.owner), dealing);
    this.node
      .acquire(request, false, within)
      .pipe(tap((answer) => answer.granted && Object.assign(dealing, { fence: answer.fence })))
      .subscribe(asked);
    return asked.pipe(
      concatMap((answer) => {
        if (!answer.granted) return of<Vote>('denied');
        if (patience === 0) return of<Vote>('granted');
        return this.node.uptime(within).pipe(map((ms): Vote => (ms >= patience ? 'granted' : 'abstains')));
      }),
    );
  }

  renew(request: Request, within: number, downgrade: boolean): Observable<Renewal> {
    const fence = this.dealings.get(keyOf(request.name, request.owner))?.fence;
    const renewal = this.node.renew(request, fence, within, downgrade);
    return fence === undefined ? renewal.pipe(map((outcome) => (outcome === 'taken' ? 'gone' : outcome))) : renewal;
  }

  /** After what is on its way has been answered; and once more where that may still land later. */
  release(release: Release, within: number): Observable<Released> {
    const { name, owner } = release;
    const key = keyOf(name, owner);
    const dealing = this.dealings.get(key);
    let notAfter = 0;
    const asked: Observable<Answer> = dealing?.asked ?? EMPTY;
    const settled = asked.pipe(
      ignoreElements(),
      catchError((error: unknown) => {
        if (error instanceof RedisUnreachableError) notAfter = error.notAfter ?? notAfter;
        return EMPTY;
      }),
    );
    const once = (): Observable<Released> => this.node.release(release, within);
    const left = defer(() => cancel(once, { notAfter, within, scheduler: this.scheduler })).pipe(
      toArray(),
      concatMap((departures) => departures.slice(0, 1)),
      finalize(() => dealing === this.dealings.get(key) && this.dealings.delete(key)),
    );
    return concat(settled, left);
  }
}

const keyOf = (name: string, owner = ''): string => `${name.length}:${name}${owner}`;
