/** A lease as its user sees it: what is held, for how long it may be believed, and its end. */
import { setMaxListeners } from 'node:events';
import { AsyncSubject, defer, firstValueFrom, type Observable, of } from 'rxjs';
import type { Clock, Instant } from '../clock.ts';
import { LockLostError, quote } from '../errors.ts';
import { duration } from '../options.ts';
import type { Mode } from '../store/store.ts';
import { remaining } from './deadline.ts';

/**
 * A lock that is held, renewed until it is released or lost.
 *
 * @example
 * const charge = async ({ fence, signal }: Lease): Promise<void> => {
 *   await fetch('https://example.com/charge', { method: 'POST', body: `${fence}`, signal });
 * };
 */
export interface Lease {
  /** The lock's name. */
  readonly name: string;
  /** The value under which Redis knows this holder. An identifier, not a secret. */
  readonly owner: string;
  /**
   * The fencing token: higher than that of every earlier grant of this name. Hand it to what you write to, and
   * have that refuse a lower one than it has seen (Kleppmann, "How to do distributed locking", 2016).
   * `undefined` where none can be given that always rises.
   */
  readonly fence: number | undefined;
  readonly mode: Mode;
  /** Whether the lease can be believed now, by this process's clocks alone. Never true again once it was false. */
  readonly held: boolean;
  /** Aborted with the LockLostError when the lease is lost; on release that is named `AbortError`, its reason `released`. */
  readonly signal: AbortSignal;
  /** ms for which the lease can be believed without being renewed; 0 when it is over. */
  remaining(): number;
  /**
   * Throws unless the lease can be believed for more than `minimum` ms. Call it right before what must not be done twice.
   * The `cause` tells of a lease that is held for too short a time yet.
   * @throws LockLostError
   * @example lease.assertHeld(500); await charge(order);
   */
  assertHeld(minimum?: number): void;
  /**
   * Renews now, and from now on with `ttl` ms if given (10 to 2^31 - 1).
   * @throws LockLostError, RedisUnreachableError, RedisRefusedError
   */
  renew(ttl?: number): Promise<void>;
  /**
   * Gives the lock back. False if it was not ours any more, or if Redis did not answer within `commandTimeout`
   * (then it goes on in the background until the lease has lapsed). Never throws; the lease's stream completes.
   */
  release(): Promise<boolean>;
  /**
   * Turns the lease of a write lock into a shared one without a gap, and lets waiting readers in; no other can be.
   * Never the reverse: two readers that wait for each other to leave would wait for ever.
   * @throws TypeError where it is no write lock's; LockLostError, RedisUnreachableError, RedisRefusedError
   */
  downgrade(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What drives a lease. */
export interface Keeper {
  readonly clock: Clock;
  /** Whether the lease is a write lock's. */
  readonly writes: boolean;
  renew(ttl?: number, downgrade?: boolean): Observable<void>;
  release(): Observable<boolean>;
  /** Completes when a release that is under way was acknowledged or given up; at once where none is. Starts none. */
  readonly settled$: Observable<unknown>;
  /** The lease was found to be over before its timer was due. */
  overdue(): void;
}

/** How a lease ends. */
export type End = 'released' | LockLostError;

export class HeldLease implements Lease {
  mode: Mode;
  since: Instant;
  /** ms for which it can be believed from then on, less the drift. */
  ttl: number;
  /** Why it is over. */
  end: End | undefined;
  /** Whether a promise gave it: then no subscription ends it, and whoever is done with it must release it. */
  byPromise = false;
  readonly name: string;
  readonly owner: string;
  readonly fence: number | undefined;
  /** Private at run time, too: a log of the lease would show the connection behind it, with its password. */
  readonly #keeper: Keeper;
  private expired = false;
  private aborter: AbortController | undefined;
  private over: AsyncSubject<End> | undefined;

  constructor(
    keeper: Keeper,
    about: { name: string; owner: string; mode: Mode },
    fence: number | undefined,
    since: Instant,
    ttl: number,
  ) {
    this.#keeper = keeper;
    this.name = about.name;
    this.owner = about.owner;
    this.mode = about.mode;
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
      setMaxListeners(0, this.aborter.signal); // Node takes the eleventh user of a lease for a leak
    }
    if (this.end) this.abort();
    return this.aborter.signal;
  }

  /** Emits how the lease ended when it is over, before anything else happens. */
  get over$(): Observable<End> {
    if (this.end) return of(this.end);
    this.over ??= new AsyncSubject();
    return this.over;
  }

  /** See Keeper. */
  get settled$(): Observable<unknown> {
    return defer(() => this.#keeper.settled$);
  }

  /** The error for what is asked of it when it is over. */
  get loss(): LockLostError {
    return this.end instanceof LockLostError ? this.end : new LockLostError(this.name, this.end ?? 'expired');
  }

  remaining(): number {
    if (this.end || this.expired) return 0;
    const left = remaining(this.#keeper.clock, this.since, this.ttl);
    if (left > 0) return left;
    this.expired = true;
    this.#keeper.overdue();
    return 0;
  }

  assertHeld(minimum = 0): void {
    duration('minimum', minimum, 0);
    const left = this.remaining();
    if (left > minimum) return;
    const short = `It can be believed for ${Math.floor(left)} ms more, and ${minimum} were asked for`;
    throw left > 0 ? new LockLostError(this.name, 'expired', new Error(short)) : this.loss;
  }

  renew(ttl?: number): Promise<void> {
    if (ttl !== undefined) duration('ttl', ttl, 10);
    return firstValueFrom(this.#keeper.renew(ttl));
  }

  downgrade(): Promise<void> {
    if (!this.#keeper.writes) {
      return Promise.reject(
        new TypeError(`Only a write lock's lease can be downgraded, and ${quote(this.name)} is none`),
      );
    }
    return firstValueFrom(this.#keeper.renew(undefined, true));
  }

  release(): Promise<boolean> {
    return firstValueFrom(this.#keeper.release());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  /** For logs. */
  toJSON(): object {
    const { name, owner, fence, mode, held } = this;
    return { name, owner, fence, mode, held };
  }

  /** A renewal is sent. Its answer may be lost, so what it gives away is given away now. Whether that is anything. */
  concede(since: Instant, ttl: number, downgrade: boolean): boolean {
    if (downgrade) this.mode = 'shared';
    const less = remaining(this.#keeper.clock, since, ttl) < this.remaining();
    if (less) this.extend(since, ttl);
    return less;
  }

  extend(since: Instant, ttl: number): void {
    this.since = since;
    this.ttl = ttl;
  }

  /** Another lease of the same work is lost: this one is over too, for that reason, and is about to be given back. */
  loseWith(loss: LockLostError): void {
    this.end ??= loss;
  }

  /** Ends it: no later call makes it held again, or gives another reason. */
  finish(end: End): void {
    this.end ??= end;
    this.over?.next(this.end);
    this.over?.complete();
    this.abort();
  }

  private abort(): void {
    const { loss } = this;
    if (this.end === 'released') loss.name = 'AbortError'; // as the platform calls what is no failure
    this.aborter?.abort(loss);
  }
}
