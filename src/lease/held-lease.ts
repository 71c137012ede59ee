/** What a lease is behind its interface: what is believed of it, for how long, and its end. */
import { setMaxListeners } from 'node:events';
import { AsyncSubject, defer, firstValueFrom, lastValueFrom, type Observable, of } from 'rxjs';
import type { Clock, Instant } from '../clock.ts';
import { LockLostError, quote } from '../errors.ts';
import { duration } from '../options.ts';
import type { Mode, Request } from '../store/store.ts';
import type { Granted } from './asker.ts';
import { inOwnContext } from './context.ts';
import { remaining } from './deadline.ts';
import type { Detached, Lease } from './lease.ts';

interface Renewable {
  ask(ttl?: number, downgrade?: boolean): Observable<void>;
  last(): Observable<unknown>;
}

/** What drives a lease. */
export interface Keeper {
  readonly clock: Clock;
  /** Whether the lease is a write lock's. */
  readonly writes: boolean;
  /** What renews it; undefined where it is over. */
  readonly renewal: Renewable | undefined;
  /** With `detach` only this coordinator gives it up, and Redis keeps it for as long as it lasts. */
  release(detach?: boolean): Observable<boolean>;
  /** Completes when a release that is under way was acknowledged or given up; at once where none is. Starts none. */
  readonly settled$: Observable<unknown>;
  /** Whether it holds. What a deadline has ended is told as lost by this, there and then. */
  check(): boolean;
}

/** How a lease ends. */
export type End = 'released' | LockLostError;

export class HeldLease implements Lease {
  mode: Mode;
  since: Instant;
  /** ms for which it can be believed from then on, less the drift. */
  ttl: number;
  /** Monotonic ms at which its maxHold is over; undefined where it has none. */
  until: number | undefined;
  /** Whether several subscriptions have it; one alone is told of its end in its own context already. */
  shared = false;
  /** Why it is over. */
  end: End | undefined;
  /** Whether a promise gave it: then no subscription ends it, and whoever is done with it must release it. */
  byPromise = false;
  readonly name: string;
  readonly owner: string;
  readonly fence: number;
  /** Private at run time, too: a log of the lease would show the connection behind it, with its password. */
  readonly #keeper: Keeper;
  private aborter: AbortController | undefined;
  private over: AsyncSubject<End> | undefined;

  constructor(
    keeper: Keeper,
    { name, owner, mode }: Pick<Request, 'name' | 'owner' | 'mode'>,
    { fence, since, ttl }: Granted,
  ) {
    this.#keeper = keeper;
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
      setMaxListeners(0, this.aborter.signal); // Node takes the eleventh user of a lease for a leak
    }
    if (this.end) this.abort();
    return this.aborter.signal;
  }

  /** Emits how the lease ended when it is over, before anything else happens. */
  get over$(): Observable<End> {
    if (this.end) return of(this.end);
    this.over ??= new AsyncSubject();
    return this.shared ? inOwnContext(this.over) : this.over;
  }

  get settled$(): Observable<unknown> {
    const settled$ = defer(() => this.#keeper.settled$);
    return this.shared ? inOwnContext(settled$) : settled$;
  }

  /** The error for what is asked of it when it is over. */
  get loss(): LockLostError {
    return this.end instanceof LockLostError ? this.end : new LockLostError(this.name, this.end ?? 'expired');
  }

  remaining(): number {
    if (this.end) return 0;
    const { left } = this;
    if (left > 0) return left;
    this.#keeper.check();
    return 0;
  }

  /** ms for which Redis keeps it at least, whatever else ends it. */
  get valid(): number {
    return remaining(this.#keeper.clock, this.since, this.ttl);
  }

  /** The same, but not past its maxHold. */
  get left(): number {
    const { valid, until } = this;
    return until === undefined ? valid : Math.min(valid, until - this.#keeper.clock.now());
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
    return this.renewed((renewal) => renewal.ask(ttl));
  }

  downgrade(): Promise<void> {
    if (this.#keeper.writes) return this.renewed((renewal) => renewal.ask(undefined, true));
    return Promise.reject(
      new TypeError(`Only a write lock's lease can be downgraded, and ${quote(this.name)} is none`),
    );
  }

  release(): Promise<boolean> {
    return firstValueFrom(this.#keeper.release());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async detach(): Promise<Detached> {
    await this.renewed((renewal) => renewal.last());
    if (!this.held) throw this.loss;
    const { name, owner, fence, left: remaining } = this;
    this.#keeper.release(true);
    return { name, owner, fence, remaining };
  }

  /** For logs. */
  toJSON(): object {
    const { name, owner, fence, mode, held } = this;
    return { name, owner, fence, mode, held };
  }

  /** A renewal is sent. Its answer may be lost, so what it gives away is given away now. */
  concede(since: Instant, ttl: number, downgrade: boolean): void {
    if (downgrade) this.mode = 'shared';
    if (remaining(this.#keeper.clock, since, ttl) < this.valid) this.extend(since, ttl);
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

  private async renewed(how: (renewal: Renewable) => Observable<unknown>): Promise<void> {
    const { renewal } = this.held ? this.#keeper : { renewal: undefined };
    if (!renewal) throw this.loss;
    await lastValueFrom(how(renewal));
  }

  private abort(): void {
    if (!this.aborter) return; // an error costs more than all else of a release
    const { loss } = this;
    if (this.end === 'released') loss.name = 'AbortError'; // as the platform calls what is no failure
    this.aborter.abort(loss);
  }
}
