/** Kills a worker of the demo while it holds locks, and checks that others get them. */
import { setTimeout as pause } from 'node:timers/promises';
import type { LockCoordinator } from 'redisync';
import { first, firstValueFrom, forkJoin, map, throwError, timeout } from 'rxjs';
import type { Worker } from './crew.ts';

/** ms within which a killed worker's locks must have another holder, or the demo has failed. */
const PATIENCE = 10_000;

export interface Recovery {
  readonly label: string;
  readonly held: readonly string[];
  /** ms from the kill until the last of its locks had another holder. */
  readonly after: number;
}

/** The identity in an owner, which stands before the uuid. */
export const labelOf = (owner: string): string => owner.slice(0, Math.max(0, owner.lastIndexOf(':')));

const heldBy = async (locks: LockCoordinator, names: readonly string[], label: string): Promise<string[]> => {
  const inspections = await firstValueFrom(forkJoin(names.map((name) => locks.inspect(name))));
  return inspections.flatMap(({ name, holders }) =>
    holders.some(({ owner }) => labelOf(owner) === label) ? name : [],
  );
};

/**
 * Stops the worker, waits until Redis has handled all that it has sent, and looks which locks it holds: none of its own
 * commands can release these any more. If there are none, it runs on for a moment; otherwise it is killed.
 */
export const killHolder = async (
  worker: Worker,
  locks: LockCoordinator,
  names: readonly string[],
  onKilled: () => void,
): Promise<Recovery> => {
  const { label } = worker;
  let held: string[] = [];
  for (;;) {
    if (!worker.busy) throw new Error(`${label} was done before it was seen to hold a lock`);
    worker.freeze();
    await pause(20);
    held = await heldBy(locks, names, label);
    if (held.length > 0) break;
    worker.thaw();
    await pause(10);
  }
  worker.kill();
  const killed = performance.now();
  onKilled();
  const seen = held.map((name) =>
    locks.watch(name, { every: 20 }).pipe(
      first(({ holders }) => holders.some(({ owner }) => labelOf(owner) !== label)),
      timeout({
        first: PATIENCE,
        with: () => throwError(() => new Error(`${name} was not recovered in ${PATIENCE} ms`)),
      }),
      map(() => performance.now() - killed),
    ),
  );
  return { label, held, after: Math.max(...(await firstValueFrom(forkJoin(seen)))) };
};
