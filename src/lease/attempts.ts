/**
 * From the first attempt to the grant: single attempts, repeated by back-off, cut short by a hand-off. It is `retry` with
 * a delay that can end early, written out: as a pipeline of operators it cost each waiter 2.5 KB, and all else 3.7.
 */
import { type Observable, type Observer, Subject } from 'rxjs';
import { waitAfter } from '../backoff.ts';
import { type Instant, instant } from '../clock.ts';
import { isTransient, LockTimeoutError, RedisUnreachableError } from '../errors.ts';
import { cancel } from '../store/cancel.ts';
import type { Answer, Request, Store } from '../store/store.ts';
import type { Agenda, Sleeper } from './agenda.ts';
import { remaining } from './deadline.ts';
import type { Terms } from './terms.ts';

/** Ranks whose waiters ask again when the holder lapses; those behind wait for their turn. */
const NEAR = 3;

/** Why an attempt came to nothing, when it is no error: others hold the lock. */
export const BUSY = Symbol('busy');

/** A lease that can be believed for `ttl` ms, less the drift, from `since`. */
export interface Granted {
  readonly fence: number | undefined;
  readonly since: Instant;
  readonly ttl: number;
}

type Denied = Exclude<Answer, { granted: true }>;

/** What is told on the way: that others hold the lock, and each attempt that failed and is tried again. */
export type Report = { readonly type: 'waiting' } | { readonly type: 'attemptFailed'; readonly error: Error };

/** Who asks: it is told the grant, or an error, which is BUSY where others hold the lock and it is not patient. */
export interface Asker extends Observer<Granted> {
  readonly request: Request;
  report(report: Report): void;
}

export class Attempts implements Observer<Answer>, Sleeper {
  list: Sleeper['list'];
  due = 0;
  before: Sleeper | undefined;
  after: Sleeper | undefined;
  /** Whether Redis may know this owner. */
  known = false;
  /** Server ms until which an attempt of unknown outcome may still take effect. */
  notAfter = 0;
  /** ms that an attempt has, its own or an heirloom. */
  patience: number;
  private readonly asker: Asker;
  private readonly store: Store;
  private readonly terms: Terms;
  /** Where a pause is entered. */
  private readonly agenda: Agenda;
  private patient = false;
  private stopped = false;
  /** The sending of the attempt that is on its way, if one is. */
  private since: Instant | undefined;
  /** Of the last answered attempt: no grant made after it can be older. */
  private heard: Instant | undefined;
  private denied: Denied | undefined;
  /** A hint to ask again came while an attempt was on its way, which may have missed what the hint is about. */
  private missed = false;
  private idle$: Subject<never> | undefined;
  private denials = 0;
  /** Since the last answer. */
  private failures = 0;
  private failure: Error | undefined;

  constructor(asker: Asker, store: Store, terms: Terms, agenda: Agenda) {
    this.asker = asker;
    this.store = store;
    this.terms = terms;
    this.patience = terms.commandTimeout;
    this.agenda = agenda;
  }

  /** Asks; and if it is patient keeps its place in the queue, and asks again until it is granted. */
  start(patient: boolean): void {
    this.patient = patient;
    this.ask();
  }

  /** Asks no more. What is on its way is still heard: see settled$. */
  stop(): void {
    this.stopped = true;
    this.agenda.strike(this);
  }

  /** Whether it was denied, and waits. */
  get inQueue(): boolean {
    return this.denied !== undefined;
  }

  /** The error of a wait that has lasted for `timeout` ms: others hold the lock, or Redis was never heard. */
  late(timeout: number): Error {
    const { name } = this.asker.request;
    const { heard, failure } = this;
    if (heard || (failure && !(failure instanceof RedisUnreachableError))) {
      return new LockTimeoutError(name, timeout, failure);
    }
    const cause = failure?.cause ?? failure ?? this.store.trouble;
    return new RedisUnreachableError(name, `No answer within ${timeout} ms`, undefined, cause);
  }

  get onTheWay(): boolean {
    return this.since !== undefined;
  }

  /** Completes when no attempt is on its way any more; undefined where none is. */
  get settled$(): Observable<never> | undefined {
    if (this.since) this.idle$ ??= new Subject();
    return this.idle$;
  }

  /** Another of the same owner has gone, and leaves to this one what Redis may know of it. */
  inherit({ known, notAfter, patience }: Attempts): void {
    if (notAfter > 0) this.patience = Math.max(this.patience, patience);
    this.known ||= known;
    this.notAfter = Math.max(this.notAfter, notAfter);
  }

  wake(): void {
    this.ask();
  }

  /** Ask now: a grant may have been missed. */
  askAgain(): void {
    if (this.list) this.ask();
    else this.missed = true;
  }

  /** A release has made this waiter the holder, for min(ttl, waiterTtl) from then; when that was is not known. */
  handed(fence: number): void {
    const { ttl, waiterTtl, replicas } = this.asker.request;
    if (this.denied && fence <= this.denied.clock) return; // an old grant, which this owner no longer had when it was denied
    const granted = this.heard && { fence, since: this.heard, ttl: Math.min(ttl, waiterTtl) };
    const counts = !replicas; // else the answer does, which they have confirmed
    if (counts && granted && this.patient && this.left(granted) > 0) this.asker.next(granted);
    else this.askAgain();
  }

  /** The store's answer. */
  next(answer: Answer): void {
    const { asker, patient, since = instant(this.terms.clock) } = this;
    this.heard = since;
    this.failures = 0;
    this.failure = undefined;
    this.known ||= answer.granted || patient;
    if (!answer.granted) {
      const begins = patient && !this.denied;
      if (patient) this.denied = answer;
      if (begins && !this.stopped) asker.report({ type: 'waiting' }); // who hears of it may leave
      this.end(BUSY);
      return;
    }
    const granted = { fence: answer.fence, since, ttl: asker.request.ttl };
    if (this.left(granted) > 0 || this.stopped) this.end(undefined, granted);
    else this.undo(); // unless it is stopped: it has been handed this very lease meanwhile, or leaves
  }

  /** The store's failure. */
  error(error: unknown): void {
    if (error instanceof RedisUnreachableError && error.notAfter !== undefined) {
      this.known = true;
      this.notAfter = Math.max(this.notAfter, error.notAfter);
    }
    this.end(error);
  }

  complete(): void {}

  private ask(): void {
    this.agenda.strike(this);
    this.since = instant(this.terms.clock);
    this.missed = false;
    this.store.acquire(this.wanted, this.patient, this.terms.commandTimeout).subscribe(this);
  }

  /** The attempt is no longer on its way. */
  private end(reason: unknown, granted?: Granted): void {
    this.since = undefined;
    if (!this.stopped) {
      if (granted) this.asker.next(granted);
      else if (this.patient && (reason === BUSY || isTransient(reason))) this.pause(reason);
      else this.asker.error(reason);
    }
    this.idle$?.complete();
  }

  private pause(why: unknown): void {
    try {
      const ms = why === BUSY ? this.rest() : this.mend(why as Error);
      if (this.stopped) return; // who heard of the failure has left
      if (this.missed) this.ask();
      else this.agenda.enter(this, ms);
    } catch (error) {
      this.asker.error(error); // a back-off of the user's own
    }
  }

  /** With the place in the queue that it was told: where the server has forgotten it meanwhile, it gets that back. */
  private get wanted(): Request {
    const { request } = this.asker;
    const { rank, ticket } = this.denied ?? {};
    return rank === undefined || ticket === undefined ? request : { ...request, ticket };
  }

  /** The answer came when nothing was left of the lease: it is given back, and asked for again. */
  private undo(): void {
    const { name, owner, ttl } = this.asker.request;
    const { commandTimeout, scheduler } = this.terms;
    const tooLate = (): void =>
      this.error(new RedisUnreachableError(name, `The answer took longer than the ttl of ${ttl} ms`, 0));
    cancel(() => this.store.release({ name, owner }, commandTimeout), { within: commandTimeout, scheduler }).subscribe({
      error: tooLate,
      complete: tooLate,
    });
  }

  private left({ since, ttl }: Granted): number {
    return remaining(this.terms.clock, since, ttl);
  }

  /**
   * ms to wait after a denial. A holder that hands over needs no asking: a heartbeat keeps the place, and the first in
   * the queue look when the holder's time is over. One that never announces is asked for by back-off.
   */
  private rest(): number {
    const { wait, rank = 0, announced } = this.denied ?? { wait: 0, announced: false };
    const heartbeat = Math.floor(this.asker.request.waiterTtl / 3);
    const lapse = Math.max(1, wait) + 1;
    if (rank >= NEAR) return heartbeat;
    return Math.min(lapse, heartbeat, announced ? lapse : waitAfter(this.terms.backoff, ++this.denials));
  }

  /** ms to wait after a failure. */
  private mend(error: Error): number {
    this.failure = error;
    this.asker.report({ type: 'attemptFailed', error });
    return waitAfter(this.terms.backoff, ++this.failures);
  }
}
