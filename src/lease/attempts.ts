/** From the first attempt to the grant: single attempts, repeated by back-off, cut short by a hand-off. */
import {
  AsyncSubject,
  catchError,
  concatMap,
  defer,
  EMPTY,
  filter,
  first,
  ignoreElements,
  merge,
  NEVER,
  type Observable,
  of,
  race,
  repeat,
  retry,
  Subject,
  take,
  throwError,
  timer,
} from 'rxjs';
import { waitAfter } from '../backoff.ts';
import { type Instant, instant } from '../clock.ts';
import { isTransient, RedisUnreachableError } from '../errors.ts';
import type { Answer, Request, Store } from '../store/store.ts';
import { remaining } from './deadline.ts';
import type { Terms } from './terms.ts';

/** Places in the queue whose waiters ask again when the holder lapses; those behind wait for their turn. */
const NEAR = 3;

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
  /** The last attempt, which may be on its way still. */
  private asking: AsyncSubject<Granted> | undefined;
  /** The sending of the last answered attempt: no grant made after it can be older. */
  private heard: Instant | undefined;
  private denied: Denied | undefined;
  /** Cuts a wait short: by a grant, or to ask again. Made by the first wait. */
  private hints$: Subject<Granted | undefined> | undefined;
  /** A hint to ask again came while an attempt was on its way, which may have missed what the hint is about. */
  private missed = false;
  private denials = 0;
  /** Since the last answer. */
  private failures = 0;
  private failure: Error | undefined;

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

  /** Why it is not known whether others hold the lock; undefined when it is. */
  get trouble(): Error | undefined {
    if (this.failure || this.heard) return this.failure;
    return new RedisUnreachableError(this.request.name, 'No answer so far');
  }

  /** One attempt; completes empty when others hold the lock. With `stay` it keeps its place in the queue then. */
  ask(stay: boolean): Observable<Granted> {
    const since = instant(this.terms.clock);
    const asking = new AsyncSubject<Granted>();
    this.asking = asking;
    this.missed = false;
    this.store.acquire(this.place, stay, this.terms.commandTimeout).subscribe({
      next: (answer) => this.answered(answer, stay, since, asking),
      error: (error: unknown) => {
        if (error instanceof RedisUnreachableError && error.notAfter !== undefined) {
          this.known = true;
          this.notAfter = Math.max(this.notAfter, error.notAfter);
        }
        asking.error(error);
      },
    });
    return asking;
  }

  /** Attempts until the lease is granted in its turn, after a first one that was denied or failed with `error`. */
  wait(error?: unknown): Observable<Granted> {
    const hints$ = new Subject<Granted | undefined>();
    this.hints$ = hints$;
    const attempts$ = defer(() => this.ask(true)).pipe(
      repeat({ delay: () => this.pause() }),
      retry({ delay: (failure) => this.mend(failure) }),
    );
    const rest$ = defer(() => (error === undefined ? this.pause() : this.mend(error)));
    const handed$ = hints$.pipe(filter((hint) => hint !== undefined)); // first, so that a grant starts no attempt
    return merge(handed$, rest$.pipe(concatMap(() => attempts$))).pipe(first());
  }

  /** Completes when no attempt is on its way any more; undefined where none is. */
  get settled$(): Observable<never> | undefined {
    if (!this.asking || this.asking.isStopped) return undefined;
    return this.asking.pipe(
      ignoreElements(),
      catchError(() => EMPTY),
    );
  }

  /** Another of the same owner has gone, and leaves to this one what Redis may know of it. */
  inherit({ known, notAfter }: Attempts): void {
    this.known ||= known;
    this.notAfter = Math.max(this.notAfter, notAfter);
  }

  /** Ask now: a grant may have been missed. */
  askAgain(): void {
    this.missed = true;
    this.hints$?.next(undefined);
  }

  /** A release has made this waiter the holder, for min(ttl, waiterTtl) from then; when that was is not known. */
  handed(fence: number): void {
    const { ttl, waiterTtl } = this.request;
    if (this.denied && fence <= this.denied.last) return; // an old grant, which this owner no longer had when it was denied
    const granted = this.heard && { fence, since: this.heard, ttl: Math.min(ttl, waiterTtl) };
    const counts = !this.request.replicas; // else the answer does, which they have confirmed
    if (counts && granted && this.hints$ && this.left(granted) > 0) this.hints$.next(granted);
    else this.askAgain();
  }

  private answered(answer: Answer, stay: boolean, since: Instant, asking: AsyncSubject<Granted>): void {
    this.heard = since;
    this.failures = 0;
    this.failure = undefined;
    this.known = answer.granted || stay;
    if (answer.granted) {
      const granted = { fence: answer.fence, since, ttl: this.request.ttl };
      if (this.left(granted) <= 0) {
        this.undo(asking);
        return;
      }
      asking.next(granted);
    } else if (stay) {
      if (!this.denied) this.report({ type: 'waiting' });
      this.denied = answer;
    }
    asking.complete();
  }

  /** With the place in the queue that it was told: where the server has forgotten it meanwhile, it gets that back. */
  private get place(): Request {
    const { place, arrival } = this.denied ?? {};
    return place === undefined || arrival === undefined ? this.request : { ...this.request, arrival };
  }

  /** The answer came when nothing was left of the lease: it is given back, and asked for again. */
  private undo(asking: AsyncSubject<Granted>): void {
    const { name, owner, ttl } = this.request;
    const tooLate = (): void =>
      asking.error(new RedisUnreachableError(name, `The answer took longer than the ttl of ${ttl} ms`, 0));
    this.store.release(name, owner, this.terms.commandTimeout).subscribe({ error: tooLate, complete: tooLate });
  }

  private left({ since, ttl }: Granted): number {
    return remaining(this.terms.clock, since, ttl);
  }

  /**
   * After a denial. A holder that hands over needs no asking: a heartbeat keeps the place, and the first in the queue
   * look when the holder's time is over. One that never announces is asked for by back-off.
   */
  private pause(): Observable<unknown> {
    const { wait, place = 0, announced } = this.denied ?? { wait: 0, announced: false };
    const heartbeat = Math.floor(this.request.waiterTtl / 3);
    const lapse = Math.max(1, wait) + 1;
    if (place >= NEAR) return this.until(heartbeat);
    return this.until(Math.min(lapse, heartbeat, announced ? lapse : waitAfter(this.terms.backoff, ++this.denials)));
  }

  private mend(error: unknown): Observable<unknown> {
    if (!isTransient(error)) return throwError(() => error);
    this.failure = error as Error;
    this.report({ type: 'attemptFailed', error: this.failure });
    return this.until(waitAfter(this.terms.backoff, ++this.failures));
  }

  private until(ms: number): Observable<unknown> {
    if (this.missed) return of(undefined);
    return race<unknown[]>(timer(ms, this.terms.scheduler), this.hints$ ?? NEVER).pipe(take(1));
  }
}
