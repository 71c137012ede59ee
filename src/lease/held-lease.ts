/** The implementation of a lease: how long it can be believed, and how it ended. */
import { setMaxListeners } from 'node:events';
import { lastValueFrom, type Observable, of } from 'rxjs';
import { type Instant, remaining } from '../clock.ts';
import { LockLostError, quote } from '../errors.ts';
import { duration } from '../options.ts';
import type { Mode } from '../store/store.ts';
import { inOwnContext } from './context.ts';
import type { Detached, Lease } from './lease.ts';
import { Once } from './once.ts';
import type { Granted, SessionView } from './session-view.ts';
import type { Terms } from './terms.ts';

/** What renews the lease. */
interface Renewer {
  readonly session: SessionView;
  readonly terms: Terms;
  renew(ttl?: number, downgrade?: boolean): Observable<never>;
  renewUntilSure(): Observable<never>;
}

/** How a lease ends. */
export type End = 'released' | LockLostError;

export class HeldLease implements Lease {
  mode: Mode;
  since: Instant;
  /** ms for which it can be believed from `since`, before the drift is subtracted. */
  ttl: number;
  /** Monotonic ms at which its maxHold is over; undefined if it has none. */
  maxHoldEnd: number | undefined;
  /** How it ended; undefined while it is held. */
  end: End | undefined;
  /** Whether a promise returned it. Then there is no subscription to end it by, and an operator calls `release()`. */
  byPromise = false;
  readonly name: string;
  readonly owner: string;
  readonly fence: number;
  // private at run time too (#): a log of the lease must not show the connection behind it, with its password
  readonly #renewer: Renewer;
  #ended: Once<End> | undefined;
  private aborter: AbortController | undefined;

  constructor(renewer: Renewer, { fence, since, ttl }: Granted) {
    const { name, owner, mode } = renewer.session.request;
    this.#renewer = renewer;
    this.name = name;
    this.owner = owner;
    this.mode = mode;
    this.fence = fence;
    this.since = since;
    this.ttl = ttl;
  }

  get held(): boolean {
    return this.remaining() > 0;
  }

  get signal(): AbortSignal {
    if (!this.aborter) {
      this.aborter = new AbortController();
      try {
        setMaxListeners(0, this.aborter.signal); // otherwise Node warns of a leak at the eleventh listener
      } catch {
        // it is not Node's own signal, as under jsdom, and warns of nothing
      }
    }
    if (this.end) this.abort();
    return this.aborter.signal;
  }

  /** Emits how the lease ended, before anything else happens. */
  get end$(): Observable<End> {
    if (this.end) return of(this.end);
    this.#ended ??= new Once();
    return this.inContext(this.#ended.value$);
  }

  /** Completes when a release in progress was acknowledged or abandoned; at once if there is none. It starts no release. */
  get settled$(): Observable<unknown> {
    return this.inContext(this.#renewer.session.released$);
  }

  /** The error for calls after its end. */
  get loss(): LockLostError {
    return this.end instanceof LockLostError ? this.end : new LockLostError(this.name, this.end ?? 'expired');
  }

  remaining(): number {
    if (this.end) return 0;
    const { rest } = this;
    if (rest > 0) return rest;
    this.#renewer.session.endIfLapsed();
    return 0;
  }

  /** ms for which Redis keeps it at least, not counting maxHold. */
  get valid(): number {
    return remaining(this.#renewer.session.terms.clock, this.since, this.ttl);
  }

  /** ms for which it can be believed, and its maxHold is not over. */
  get rest(): number {
    const { valid, maxHoldEnd } = this;
    return maxHoldEnd === undefined ? valid : Math.min(valid, maxHoldEnd - this.#renewer.session.terms.clock.now());
  }

  assertHeld(minimum = 0): void {
    duration('minimum', minimum, 0);
    const left = this.remaining();
    if (left > minimum) return;
    const short = `it can be believed for ${Math.floor(left)} ms more, and assertHeld was asked for ${minimum} ms`;
    throw left > 0 ? new LockLostError(this.name, 'expired', new Error(short), short) : this.loss;
  }

  renew(ttl?: number): Promise<void> {
    if (ttl !== undefined) duration('ttl', ttl, 10);
    return this.renewed((renewer) => renewer.renew(ttl));
  }

  downgrade(): Promise<void> {
    const { writes } = this.#renewer.session.firstAttachment.wanted.kind;
    if (writes) return this.renewed((renewer) => renewer.renew(undefined, true));
    const message = `The lease on ${quote(this.name)} cannot be downgraded: only that of a write lock can`;
    return Promise.reject(new TypeError(message));
  }

  release(): Promise<boolean> {
    return lastValueFrom(this.#renewer.session.release(), { defaultValue: false });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async detach(): Promise<Detached> {
    await this.renewed((renewer) => renewer.renewUntilSure());
    if (!this.held) throw this.loss;
    const { name, owner, fence, rest: remaining } = this;
    this.#renewer.session.release(true);
    return { name, owner, fence, remaining };
  }

  /** What a log shows. */
  toJSON(): object {
    const { name, owner, fence, mode, held } = this;
    return { name, owner, fence, mode, held };
  }

  believe(since: Instant, ttl: number): void {
    this.since = since;
    this.ttl = ttl;
  }

  /** Another lease of the same `allOf` is lost: this one ends too, for that reason, and is about to be released. */
  loseWith(loss: LockLostError): void {
    this.end ??= loss;
  }

  /** Ends the lease. No later call makes it held again or changes the reason. */
  endWith(end: End): void {
    this.end ??= end;
    this.#ended?.emit(this.end);
    this.abort();
  }

  private async renewed(how: (renewer: Renewer) => Observable<never>): Promise<void> {
    if (!this.held) throw this.loss;
    await lastValueFrom(how(this.#renewer), { defaultValue: undefined });
  }

  /** With an explicit owner several subscriptions may have the lease; then each is told of its end in its own async context. */
  private inContext<T>(source: Observable<T>): Observable<T> {
    return this.#renewer.terms.owner === undefined ? source : inOwnContext(source);
  }

  private abort(): void {
    if (!this.aborter) return; // nobody has asked for the signal; making an error would cost more than the rest of a release
    const { loss } = this;
    if (this.end === 'released') loss.name = 'AbortError'; // the platform's name for an abort that is no failure
    this.aborter.abort(loss);
  }
}

/** The leases in what a lock emits: one lease, or an array of them. */
export const leasesIn = (emitted: unknown): readonly HeldLease[] => {
  if (Array.isArray(emitted)) return emitted.filter((one) => one instanceof HeldLease);
  return emitted instanceof HeldLease ? [emitted] : [];
};
