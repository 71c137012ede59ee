/** Cancels what may have been granted: a release by owner, repeated until nothing that was sent before it can take effect. */
import { Observable, type Observer, type SchedulerLike, type Subscriber } from 'rxjs';
import { soon } from '../backoff.ts';
import { type Clock, clockOf } from '../clock.ts';
import { isTransient, RedisUnreachableError } from '../errors.ts';
import { LONGEST } from '../options.ts';
import type { Released } from './store.ts';

/** Commands of unknown outcome: until when the last of them may take effect. */
export interface InDoubt {
  /** Server ms, the last in which it may. */
  readonly notAfter: number;
  /** Monotonic ms from which on it cannot any more, even if the server's clock steps back. */
  readonly until: number;
}

/** Monotonic ms from which on a command cannot take effect any more: its timeout is over, and so is the ms of its not-after. */
export const overAt = (sent: number, within: number): number => sent + within + 1;

/** What is in doubt after a failure: what was `before`, and until then the command that failed, unless it is known to have done nothing. */
export const inDoubtAfter = (error: unknown, until: number, before?: InDoubt): InDoubt | undefined =>
  error instanceof RedisUnreachableError && error.notAfter !== undefined
    ? { notAfter: Math.max(before?.notAfter ?? 0, error.notAfter), until }
    : before;

export interface Cancellation {
  /** Server ms until which an earlier command of unknown outcome may still take effect; undefined: there is none. */
  readonly notAfter?: number | undefined;
  /** The timeout of a command, in ms: of each release; and of the earlier command counted from now, in case the server's clock steps back. */
  readonly within: number;
  /** ms from now for which a release that fails transiently is repeated. Default: 0, it is sent once. */
  readonly retryFor?: number;
  readonly scheduler: SchedulerLike;
  /** Called after each release that failed. */
  readonly failed?: () => void;
}

/**
 * Emits the outcome of each release that was answered; the first one tells whether there was anything to release. Errors
 * when a release has failed for good, but only when nothing that was sent can take effect any more: a release could end
 * the next lease of the same owner.
 */
export const cancel = (release: () => Observable<Released>, options: Cancellation): Observable<Released> =>
  new Observable((subscriber) => new Releases(subscriber, release, options).send());

/** The releases of one cancellation. One object, no pipeline and no closures, because every release of a lease comes through here. */
class Releases implements Observer<Released> {
  private readonly subscriber: Subscriber<Released>;
  private readonly release: () => Observable<Released>;
  private readonly options: Cancellation;
  private readonly clock: Clock;
  private readonly began: number;
  /** Commands that were sent earlier, the releases themselves included. */
  private inDoubt: InDoubt | undefined;
  private sent: number;
  private failures = 0;
  /** How many releases go on, or are to be made: one of a quorum goes on when it has its outcome. */
  private open = 1;

  constructor(subscriber: Subscriber<Released>, release: () => Observable<Released>, options: Cancellation) {
    this.subscriber = subscriber;
    this.release = release;
    this.options = options;
    this.clock = clockOf(options.scheduler);
    this.began = this.sent = this.clock.now();
    const { notAfter, within } = options;
    if (notAfter !== undefined) this.inDoubt = { notAfter, until: overAt(this.began, within) };
  }

  send(): void {
    this.sent = this.clock.now();
    this.subscriber.add(this.release().subscribe(this));
  }

  next(released: Released): void {
    const { inDoubt, sent, clock } = this;
    this.failures = 0;
    this.subscriber.next(released);
    if (!inDoubt || released.now > inDoubt.notAfter || sent >= inDoubt.until) return;
    this.open += 1;
    const wait = Math.min(inDoubt.notAfter + 1 - released.now, inDoubt.until - clock.now());
    this.after(Math.max(1, wait), () => this.send());
  }

  error(reason: unknown): void {
    const { within, retryFor = 0, failed } = this.options;
    failed?.();
    const now = this.clock.now();
    this.inDoubt = inDoubtAfter(reason, overAt(this.sent, within), this.inDoubt);
    if (isTransient(reason) && now - this.began < retryFor) {
      this.failures += 1;
      this.after(soon(this.failures), () => this.send());
      return;
    }
    const rest = (this.inDoubt?.until ?? 0) - now;
    if (rest > 0) this.after(rest, () => this.subscriber.error(reason));
    else this.subscriber.error(reason);
  }

  complete(): void {
    this.open -= 1;
    if (this.open === 0) this.subscriber.complete();
  }

  private after(ms: number, act: () => void): void {
    this.subscriber.add(this.options.scheduler.schedule(act, Math.min(ms, LONGEST)));
  }
}
