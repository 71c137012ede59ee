/** One Redis, one set of defaults: makes locks, watches them, and closes them all. */
import {
  concat,
  defer,
  distinctUntilChanged,
  EMPTY,
  finalize,
  firstValueFrom,
  ignoreElements,
  map,
  type Observable,
  race,
  repeat,
  retry,
  Subject,
  throwError,
  timer,
} from 'rxjs';
import { waitAfter } from './backoff.ts';
import { diagnose } from './diagnose/diagnose.ts';
import type { Finding } from './diagnose/finding.ts';
import { isTransient } from './errors.ts';
import type { LockEvent } from './lease/events.ts';
import type { Lease } from './lease/lease.ts';
import { Sessions } from './lease/sessions.ts';
import { type Kind, type Terms, termsOf, warnOfSeconds } from './lease/terms.ts';
import { leadership } from './locks/leadership.ts';
import { Lock } from './locks/lock.ts';
import {
  type CloseOptions,
  COORDINATOR,
  type CoordinatorOptions,
  duration,
  integerIn,
  LOCK,
  LONGEST,
  type LockOptions,
  lockName,
  type Options,
  optionsIn,
  text,
} from './options.ts';
import type { Client } from './store/client.ts';
import { clientsOf } from './store/clients.ts';
import type { Source } from './store/given.ts';
import { isOwnStore, openStore } from './store/open-store.ts';
import { QuorumStore } from './store/quorum.ts';
import type { Inspection, Store } from './store/store.ts';

const EXCLUSIVE: Kind = { mode: 'exclusive', permits: 1, limit: 0 };
const WRITING: Kind = { ...EXCLUSIVE, writes: true };
const SHARED: Kind = { mode: 'shared', permits: 1, limit: 0 };

/** A lock without options of its own has the coordinator's. */
const NONE: LockOptions = {};

/** How often `watch` looks by default, in ms. */
const WATCH_EVERY = 250;

/**
 * Makes locks on one Redis. It works on connections of its own beside the caller's: one from the first lock on,
 * and a subscriber from the first wait on. The caller's connection is left alone, and stays open after `close()`.
 *
 * @example const locks = new LockCoordinator(new Redis(), { ttl: 10_000, identity: hostname() });
 */
export class LockCoordinator {
  // private at run time too (#): a log of the coordinator must not show its connections, with their passwords, and a
  // subclass may have methods of any name
  readonly #options: Options;
  readonly #defaults: Terms;
  readonly #sessions: Sessions;
  readonly #sources: readonly Client[];
  #closing: Promise<void> | undefined;
  /** Completes to end a drain early. */
  readonly #cut$ = new Subject<never>();

  /**
   * Makes no connection yet: the first lock does, with the settings of the client that is given, which may be shared.
   *
   * @param redis an ioredis Redis (also one behind Sentinel) or Cluster; or a client of node-redis, which need not be
   * connected; or an array of at least three independent Redis, no replicas of each other, of which a majority grants a
   * lock (the Redlock algorithm)
   * @param options defaults of all locks, which each may override; durations are in ms
   * @throws TypeError, RangeError
   */
  constructor(redis: Source | readonly Source[], options?: CoordinatorOptions);
  /** @internal Over another store: see testing. */
  constructor(store: Store, options?: Options);
  constructor(redis: Source | readonly Source[] | Store, options: CoordinatorOptions = {}) {
    const given = optionsIn('options', options, COORDINATOR);
    const clients = isOwnStore(redis) ? [] : clientsOf(redis);
    this.#sources = [clients].flat();
    this.#options = given;
    this.#defaults = this.#terms(given);
    const { scheduler, ttl } = this.#defaults;
    this.#sessions = new Sessions(isOwnStore(redis) ? redis : openStore(clients, scheduler, ttl, given));
  }

  /**
   * The events of all locks of this coordinator. A hot stream; watching never influences locking.
   *
   * @example locks.events$.pipe(filter(({ type }) => type === 'lost')).subscribe(report)
   */
  get events$(): Observable<LockEvent> {
    return this.#sessions.events$.asObservable();
  }

  /**
   * One holder at a time, first come, first served. On the wire it is the plain Redis lock: the STRING at `name` with
   * the owner, fence and ttl, with an expiry, so it excludes, and is excluded by, every client that locks so.
   *
   * @param name 1 to 1 024 bytes of any text
   * @throws TypeError, RangeError
   * @example charge$.pipe(withLock(locks.mutex('order:42')))
   */
  mutex(name: string, options: LockOptions = NONE): Lock {
    return this.#lock(name, EXCLUSIVE, options);
  }

  /**
   * At most `limit` permits in use at a time, first come, first served: a large request at the head is not passed by
   * small ones behind it. A holder that dies gives its permits back after its ttl.
   *
   * Not on a quorum: of three nodes with two permits each, three holders can each have two.
   *
   * @param limit integer, 1 to 2^31 - 1
   * @param options.permits how many this lease takes: integer, 1 to `limit`; default: 1
   * @throws TypeError, RangeError
   * @example request$.pipe(withLock(locks.semaphore('api', 10, { permits: 2 })))
   */
  semaphore(
    name: string,
    limit: number,
    options: LockOptions & { readonly permits?: number | undefined } = NONE,
  ): Lock {
    const { permits = 1, ...others } = optionsIn('options', options, ['permits', ...LOCK]);
    if (this.#sessions.store instanceof QuorumStore) {
      throw new TypeError('A quorum cannot count permits: semaphores need a single Redis or a Cluster');
    }
    integerIn('limit', limit, 1, LONGEST);
    integerIn('permits', permits, 1, limit);
    return this.#lock(name, { mode: 'shared', permits, limit }, options === NONE ? NONE : others);
  }

  /**
   * Readers together, a writer alone, first come, first served: a waiting writer holds later readers back, and
   * readers that wait together enter together. A write lease can become a read lease by `lease.downgrade()`.
   *
   * @throws TypeError, RangeError
   * @example const { read, write } = locks.readWriteLock('catalog');
   */
  readWriteLock(name: string, options: LockOptions = NONE): { readonly read: Lock; readonly write: Lock } {
    return { read: this.#lock(name, SHARED, options), write: this.#lock(name, WRITING, options) };
  }

  /**
   * The lease while this process leads, null while it follows. After a loss it says null and campaigns again. With
   * `minHold` nobody leads sooner than that after a leader who resigns, so that work that fails at once does not fail on one
   * process after another; a loss keeps nothing.
   *
   * @throws TypeError, RangeError
   * @example locks.leadership('scheduler').pipe(switchMap(lease => (lease ? schedule(lease.fence) : EMPTY)))
   */
  leadership(name: string, options: LockOptions = NONE): Observable<Lease | null> {
    const lock = this.mutex(name, options);
    return this.#whileOpen(leadership(lock));
  }

  /**
   * Emits once who holds the lock and who waits for it. Errors if Redis does not answer; it never reports "free" then.
   *
   * @throws TypeError, RangeError
   * @example locks.inspect('order:42').subscribe(({ holders, waiting }) => console.log(holders.length, waiting.length))
   */
  inspect(name: string): Observable<Inspection> {
    lockName(name);
    return this.#whileOpen(defer(() => this.#sessions.store.inspect(name, this.#defaults.commandTimeout)));
  }

  /**
   * What `inspect` tells, now and whenever holders, waiters or the fence have changed, seen by looking every `every`
   * ms (default: 250). It goes on while Redis is out of reach.
   *
   * @throws TypeError, RangeError
   * @example locks.watch('order:42', { every: 1_000 }).subscribe(({ holders }) => console.log(holders[0]?.owner))
   */
  watch(name: string, options: { readonly every?: number | undefined } = {}): Observable<Inspection> {
    const { every = WATCH_EVERY } = optionsIn('options', options, ['every']);
    duration('every', every);
    const { scheduler, backoff } = this.#defaults;
    const looks$ = this.inspect(name).pipe(
      repeat({ delay: () => timer(every, scheduler) }),
      retry({
        delay: (error, attempt) =>
          isTransient(error) ? timer(waitAfter(backoff, attempt), scheduler) : throwError(() => error),
        resetOnSuccess: true,
      }),
      distinctUntilChanged((a, b) => factsOf(a) === factsOf(b)),
    );
    return this.#whileOpen(looks$);
  }

  /**
   * Emits the names that are held or waited for, once each and in no order, found by SCAN in slices. Names that only other
   * clients hold are left out: nothing distinguishes their keys from other strings.
   *
   * @param pattern a Redis glob: `*`, `?`, `[ab]`; default: all
   * @throws TypeError, RangeError
   * @example locks.list('order:*').subscribe((name) => console.log(name))
   */
  list(pattern = '*'): Observable<string> {
    text('pattern', pattern, 1_024);
    return this.#whileOpen(defer(() => this.#sessions.store.list(pattern, this.#defaults.commandTimeout)));
  }

  /**
   * Breaks every lease on the name, whoever holds it, and lets the next waiters in. The holders learn of it at their
   * next renewal, as lost: taken; until then they may still work, with a fence lower than the next one. A string without
   * an expiry, which no lock is, is deleted too.
   *
   * @returns whether there was a lease to break
   * @throws TypeError, RangeError
   * @example locks.forceRelease('order:42').subscribe((broken) => console.log(broken))
   */
  forceRelease(name: string): Observable<boolean> {
    lockName(name);
    const broken$ = defer(() =>
      this.#sessions.store.release({ name, owner: undefined }, this.#defaults.commandTimeout),
    ).pipe(map(({ held }) => held));
    return this.#whileOpen(broken$);
  }

  /**
   * Looks at the servers, on connections of its own: settings that can lose a lock, replicas, clocks, rights. Emits each
   * finding, and completes; if all is well it emits none. It takes a lock named `redisync:diagnose`, to try the rights.
   *
   * @example locks.diagnose().subscribe(({ severity, seen, advice }) => console.log(severity, seen, advice))
   */
  diagnose(): Observable<Finding> {
    const { scheduler, commandTimeout, replicas } = this.#defaults;
    return this.#whileOpen(diagnose(this.#sources, { within: commandTimeout, replicas, scheduler }));
  }

  /**
   * Releases all that is held, leaves all queues, waits until Redis has acknowledged it (but no longer than
   * 2 x commandTimeout), and closes the connections. Streams that are open error with a CoordinatorClosedError.
   *
   * With `drain`, what is under way is not cut off: no lease is granted any more, waiters leave, but what is held is renewed
   * until its holders have released it, for `drain` ms at the most; then it closes. A second `close()` ends the drain.
   *
   * @param options.drain ms, integer from 0; default: 0
   * @throws RangeError, TypeError
   * @example process.once('SIGTERM', () => locks.close({ drain: 10_000 }))
   */
  close(options: CloseOptions = {}): Promise<void> {
    const { drain = 0 } = optionsIn('options', options, ['drain']);
    duration('drain', drain, 0);
    if (drain === 0) this.#cut$.complete();
    this.#closing ??= firstValueFrom(this.#shut(drain), { defaultValue: undefined });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #shut(drain: number): Observable<void> {
    const { scheduler, commandTimeout } = this.#defaults;
    const sessions = this.#sessions;
    const within = (ms: number): Observable<unknown> => timer(Math.min(ms, LONGEST), scheduler);
    const drained$ = defer(() => race(sessions.shut(true), within(drain), this.#cut$));
    const closed$ = defer(() => race(sessions.shut(), within(2 * commandTimeout)));
    return concat(drain > 0 ? drained$ : EMPTY, closed$).pipe(
      ignoreElements(),
      finalize(() => {
        sessions.store.close();
        sessions.end();
      }),
    );
  }

  #whileOpen<T>(asked: Observable<T>): Observable<T> {
    return this.#sessions.whileOpen(asked, this.#defaults.scheduler);
  }

  #terms(options: LockOptions): Terms {
    const terms = termsOf(options);
    if (this.#sources.length > 0) warnOfSeconds(options);
    return terms;
  }

  #lock(name: string, kind: Kind, options: LockOptions): Lock {
    lockName(name);
    const terms = options === NONE ? this.#defaults : this.#terms(over(this.#options, options));
    return new Lock({ sessions: this.#sessions, name, kind, terms });
  }
}

/** Options over defaults. An option that is undefined counts as not given. */
const over = (defaults: Options, options: LockOptions): LockOptions => {
  const all: Record<string, unknown> = { ...defaults };
  for (const [option, value] of Object.entries(optionsIn('options', options, LOCK)))
    if (value !== undefined) all[option] = value;
  return all;
};

/** What `watch` compares: everything but the times, which always change. */
const factsOf = ({ holders, waiting, fence }: Inspection): string =>
  JSON.stringify([holders, waiting, fence], (key, value) =>
    key === 'remaining' || key === 'waited' ? undefined : value,
  );
