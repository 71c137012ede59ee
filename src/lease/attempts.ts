/** From the first attempt to the grant: single attempts, repeated by back-off, cut short by a hand-off. */
import {
  AsyncSubject,
  catchError,
  concatMap,
  defer,
  EMPTY,
  first,
  merge,
  type Observable,
  of,
  race,
  repeat,
  retry,
  Subject,
  throwError,
  timer,
} from 'rxjs';
import { type Instant, instant } from '../clock.ts';
import { isTransient, RedisUnreachableError } from '../errors.ts';
import type { Answer, Request, Store } from '../store/store.ts';
import { remaining } from './deadline.ts';
import type { Terms } from './terms.ts';

/** Places in the queue whose waiters ask again when the holder lapses; those behind wait for their turn. */
const NEAR = 3;

/** ms before an attempt that could not be sent is made again: the same for all, so that they come in their order of arrival. */
const UNSENT = 25;

/** A lease that can be believed for `ttl` ms, less the drift, from `since`. */
export interface Granted {
  readonly fence: number | undefined;
  readonly since: Instant;
  readonly ttl: number;
}

type Denied = Exclude<Answer, { granted: true }>;

/** What a waiter is told on the way: that it waits, and each attempt that failed and is tried again. */
export type Report = { readonly type: 'waiting' } | { readonly type: 'attemptFailed'; readonly error: Error };

export class Attempts {
  /** Whether Redis may know this owner. */
  known = false;
  /** Server ms until which an attempt of unknown outcome may still take effect. */
  notAfter = 0;
  private readonly store: Store;
  private readonly request: Request;
  private readonly terms: Terms;
  private readonly report: (report: Report) => void;
  private readonly handed$ = new Subject<Granted>();
  private readonly again$ = new Subject<void>();
  private asking: Observable<Answer> = EMPTY;
  /** The sending of the last answered attempt: no grant made after it can be older. */
  private heard: Instant | undefined;
  private denied: Denied | undefined;
  /** A hint came while an attempt was on its way, whose answer may be the older of the two. */
  private missed = false;

  constructor(store: Store, request: Request, terms: Terms, report: (report: Report) => void) {
    this.store = store;
    this.request = request;
    this.terms = terms;
    this.report = report;
  }

  /** Whether it was denied, and waits. */
  get waiting(): boolean {
    return this.denied !== undefined;
  }

  /** One attempt; completes empty when others hold the lock. */
  readonly once$: Observable<Granted> = defer(() => this.ask(false));

  /** Attempts until the lease is granted, in its turn. */
  readonly granted$: Observable<Granted> = defer(() =>
    merge(
      defer(() => this.ask(true)).pipe(
        repeat({ delay: (attempt) => this.pause(attempt) }),
        retry({ delay: (error, attempt) => this.mend(error, attempt), resetOnSuccess: true }),
      ),
      this.handed$,
    ).pipe(first()),
  );

  /** Completes when no attempt is on its way any more. */
  readonly settled$: Observable<Answer> = defer(() => this.asking.pipe(catchError(() => EMPTY)));

  /** Ask now: a grant may have been missed. */
  askAgain(): void {
    this.missed = true;
    this.again$.next();
  }

  /** A release has made this waiter the holder, for min(ttl, waiterTtl) from then; when that was is not known. */
  handed(fence: number): void {
    const { ttl, waiterTtl } = this.request;
    if (this.denied && fence <= this.denied.last) return; // an old grant, which this owner no longer had when it was denied
    const granted = this.heard && { fence, since: this.heard, ttl: Math.min(ttl, waiterTtl) };
    if (granted && this.left(granted) > 0) this.handed$.next(granted);
    else this.askAgain();
  }

  private ask(stay: boolean): Observable<Granted> {
    const { ttl } = this.request;
    const since = instant(this.terms.clock);
    const asking = new AsyncSubject<Answer>();
    this.asking = asking;
    this.missed = false;
    this.store.acquire(this.request, stay, this.terms.commandTimeout).subscribe({
      next: (answer) => {
        this.heard = since;
        this.known = answer.granted || stay;
        asking.next(answer);
      },
      error: (error: unknown) => {
        if (error instanceof RedisUnreachableError && error.notAfter !== undefined) {
          this.known = true;
          this.notAfter = Math.max(this.notAfter, error.notAfter);
        }
        asking.error(error);
      },
      complete: () => asking.complete(),
    });
    return asking.pipe(
      concatMap((answer) => {
        if (!answer.granted) return this.wait(answer, stay);
        const granted = { fence: answer.fence, since, ttl };
        return this.left(granted) > 0 ? of(granted) : this.undo();
      }),
    );
  }

  private wait(denied: Denied, stay: boolean): Observable<never> {
    if (!stay) return EMPTY;
    if (!this.denied) this.report({ type: 'waiting' });
    this.denied = denied;
    return EMPTY;
  }

  /** The answer came when nothing was left of the lease: it is given back, and asked for again. */
  private undo(): Observable<never> {
    const { name, owner, ttl } = this.request;
    return this.store
      .release(name, owner, this.terms.commandTimeout)
      .pipe(
        concatMap(() =>
          throwError(() => new RedisUnreachableError(name, `The answer took longer than the ttl of ${ttl} ms`, 0)),
        ),
      );
  }

  private left({ since, ttl }: Granted): number {
    return remaining(this.terms.clock, since, ttl);
  }

  /**
   * After a denial. A holder that hands over needs no asking: a heartbeat keeps the place, and the first in the queue
   * look when the holder's time is over. One that never announces is asked for by back-off.
   */
  private pause(attempt: number): Observable<unknown> {
    if (this.missed) return of(undefined);
    const { wait, place = 0, announced } = this.denied ?? { wait: 0, announced: false };
    const heartbeat = this.request.waiterTtl / 3;
    const lapse = Math.max(1, wait) + 1;
    if (place >= NEAR) return this.until(heartbeat);
    return this.until(Math.min(lapse, heartbeat, announced ? lapse : this.terms.backoff(attempt)));
  }

  /** After a failure: what was never sent waits for the connection, in the order of arrival. */
  private mend(error: unknown, attempt: number): Observable<unknown> {
    if (!isTransient(error)) return throwError(() => error);
    this.report({ type: 'attemptFailed', error: error as Error });
    const unsent = error instanceof RedisUnreachableError && error.notAfter === undefined;
    return this.until(unsent ? UNSENT : this.terms.backoff(attempt));
  }

  private until(ms: number): Observable<unknown> {
    return race(timer(ms, this.terms.scheduler), this.again$);
  }
}
