/** Acquires the locks of a command. */
import { catchError, EMPTY, filter, firstValueFrom, map, mergeMap, type Subscription } from 'rxjs';
import { type Inspection, type Lease, type Lock, type LockCoordinator, LockLostError } from '../index.ts';
import { codeOfSignal, Failure } from './exit.ts';
import { ending$ } from './signals.ts';
import { spoken } from './values.ts';

/**
 * All leases, in the order of the locks given, with more than `enough` ms left. The locks are taken in the order of
 * their names, as `allOf` does, so that there is no deadlock. But unlike with `allOf` each lease stands alone: none may be
 * released while the command is still being ended for the loss of another. A signal leaves the queue, a second one exits at
 * once.
 *
 * If it rejects, some leases may still be held: closing the coordinator releases them.
 *
 * @param wait ms for all together; 0 for one attempt at each; undefined for as long as it takes
 */
export const holdAll = async (locks: readonly Lock[], wait: number | undefined, enough: number): Promise<Lease[]> => {
  const held = new Map<Lock, Lease>();
  const leave = new AbortController();
  const until = performance.now() + (wait ?? 0);
  const waiting = ending$.subscribe((name) => {
    if (leave.signal.aborted) process.exit(codeOfSignal(name));
    leave.abort(new Failure(codeOfSignal(name), `${name} came during the wait: nothing was run`));
  });
  try {
    for (const lock of [...locks].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const signal = AbortSignal.any([leave.signal, ...[...held.values()].map((lease) => lease.signal)]);
      const timeout = wait === undefined ? {} : { timeout: Math.max(0, Math.round(until - performance.now())) };
      held.set(lock, await lock.acquire({ signal, ...timeout }));
    }
    for (const lease of held.values()) await refresh(lease, enough);
    leave.signal.throwIfAborted();
    waiting.unsubscribe(); // after a failure it stays subscribed, so that a second signal exits at once
    return locks.flatMap((lock) => held.get(lock) ?? []);
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined; // why the wait was aborted: a lost lease, or a signal
    throw cause instanceof LockLostError || cause instanceof Failure ? cause : error;
  }
};

/** Says for each wait who holds the lock and how many are ahead. */
export const sayWaits = (locks: LockCoordinator, say: (message: string) => void): Subscription =>
  locks.events$
    .pipe(
      filter((event) => event.type === 'waiting'),
      mergeMap(({ name, owner }) =>
        locks.inspect(name).pipe(
          map(({ holders, waiting }) => {
            const rank = waiting.findIndex((waiter) => waiter.owner === owner);
            const ahead = rank < 0 ? waiting.length : rank;
            return `waiting for ${JSON.stringify(name)}: held by ${held(holders)}; ${ahead} ahead in the queue`;
          }),
          catchError(() => EMPTY), // the wait itself reports errors that matter
        ),
      ),
    )
    .subscribe(say);

const held = (holders: Inspection['holders']): string =>
  holders.map(({ owner, remaining }) => `${owner} (${spoken(remaining)} left)`).join(', ') || 'nobody any more';

/** Renews a lease with little time left: one that was handed over is short at first, and the command must not be stopped for that. */
export const refresh = async (lease: Lease, enough: number): Promise<void> => {
  if (lease.remaining() <= enough) await lease.renew();
};

/** Says who holds the lock. Rejects if Redis does not answer: then it is not known to be busy. */
export const busyWith = async (locks: LockCoordinator, name: string): Promise<string> => {
  const { holders, waiting } = await firstValueFrom(locks.inspect(name));
  return `${JSON.stringify(name)} is busy: held by ${held(holders)}; ${waiting.length} waiting; nothing was run`;
};
