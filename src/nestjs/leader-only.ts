/** `@LeaderOnly`: a method that runs in the process that leads, and nowhere else. */
import { defer, EMPTY, finalize, from, fromEvent, type Observable, switchMap, takeUntil, tap } from 'rxjs';
import { CoordinatorClosedError, type Lease, type Lock, type LockCoordinator, type LockOptions } from '../index.ts';
import { decorated, type MethodDecoratorOf, type MethodOptions } from './method.ts';

/**
 * Settings of `@LeaderOnly`.
 *
 * @example const options: LeaderOptions = { ttl: 10_000 };
 */
export interface LeaderOptions extends LockOptions, MethodOptions {}

/** Leads while its lease is held: until it is lost, or until the leader resigns and no method runs under it any more. */
class Leader {
  private readonly lock: Lock;
  private term: Promise<Lease | null> = Promise.resolve(null);
  /** Set where the coordinator closes: it tells the stream of the lease before it ends the lease. */
  private closed: CoordinatorClosedError | undefined;
  private running = 0;
  private resigned = false;

  constructor(lock: Lock) {
    this.lock = lock;
  }

  /** Mirrors `work` if this process leads, and completes empty otherwise. The lease stays held after the work. */
  serve(work: (lease: Lease) => Observable<unknown>): Observable<unknown> {
    return defer(() => {
      this.running += 1;
      return from(this.lease()).pipe(switchMap((lease) => (lease ? this.during(lease, work(lease)) : EMPTY)));
    }).pipe(
      finalize(() => {
        this.running -= 1;
        if (this.resigned) this.resign();
      }),
    );
  }

  resign(): void {
    this.resigned = true;
    if (this.running === 0) this.term.then((lease) => lease?.release()).catch(() => undefined);
  }

  /** The lease that is held, or the result of one attempt, which simultaneous calls share; null while another process leads. */
  private async lease(): Promise<Lease | null> {
    const { term } = this;
    const lease = await term.catch(() => null);
    if (lease?.held) return lease;
    if (this.term === term) this.term = this.attempt();
    return this.term;
  }

  private attempt(): Promise<Lease | null> {
    return new Promise((resolve, reject) => {
      const error = (reason: unknown): void => {
        if (reason instanceof CoordinatorClosedError) this.closed = reason;
        reject(reason);
      };
      this.lock.try().subscribe({ next: resolve, error, complete: () => resolve(null) });
    });
  }

  /** Mirrors the source as long as the lease is held. */
  private during<T>(lease: Lease, work$: Observable<T>): Observable<T> {
    const over$ = fromEvent(lease.signal, 'abort').pipe(
      tap(() => {
        throw this.closed ?? lease.signal.reason;
      }),
    );
    return work$.pipe(takeUntil(over$), tap({ complete: () => lease.assertHeld() }));
  }
}

const leaders = new WeakMap<LockCoordinator, Map<string, Leader>>();

/** The leader of a name, which all methods of that name share. Its options are those of the first method. */
const leaderOf = (locks: LockCoordinator, name: string, options: LockOptions): Leader => {
  const all = leaders.get(locks) ?? new Map<string, Leader>();
  const leader = all.get(name) ?? new Leader(locks.mutex(name, options));
  leaders.set(locks, all.set(name, leader));
  return leader;
};

/** The application shuts down: each leader releases its lease as soon as nothing runs under it. */
export const resignAll = (locks: LockCoordinator): void => {
  for (const leader of leaders.get(locks)?.values() ?? []) leader.resign();
};

/**
 * Runs the method in one process, the leader, and resolves with undefined (or completes empty) in all others: for `@Cron` on
 * every instance. The process whose call comes first leads. It leads until it shuts down or loses its lease, also between
 * calls; then the process of the next call leads. A method that runs when the lease is lost ends as under `@Locked`.
 *
 * @example
 * ```ts
 * class Reports {
 *   @LeaderOnly('reports')
 *   async nightly(): Promise<void> {
 *     await nightlyJob();
 *   }
 * }
 * ```
 */
export const LeaderOnly = (
  name: string,
  { coordinator, stream, ...options }: LeaderOptions = {},
): MethodDecoratorOf<[]> =>
  decorated({ coordinator, stream }, (locks, _, call) => leaderOf(locks, name, options).serve(call));
