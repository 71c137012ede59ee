/** Repeated looks at the locks, with what only time tells: how often a name's fence changes. */
import { defer, map, type Observable, repeat, retry, tap, throwError, timer } from 'rxjs';
import { type LockCoordinator, RedisRefusedError, RedisUnreachableError } from '../index.ts';
import { look } from './ls.ts';
import type { Row } from './table.ts';

/** The time over which hand-offs are averaged, in ms. */
const WINDOW = 10_000;

interface Past {
  readonly since: number;
  seen: number;
  fence: number | undefined;
  changes: number[];
}

/**
 * All names that match, every `every` ms; it goes on while Redis fails.
 *
 * @param failed called with each failed look
 */
export const looks = (
  locks: LockCoordinator,
  pattern: string | undefined,
  every: number,
  failed: (error: Error) => void,
): Observable<Row[]> => {
  const past = new Map<string, Past>();
  const rate = (name: string, fence: number | undefined): number => {
    const now = performance.now();
    const known = past.get(name) ?? { since: now, seen: now, fence, changes: [] };
    past.set(name, known);
    if (fence !== known.fence) known.changes.push(now);
    known.fence = fence;
    known.seen = now;
    known.changes = known.changes.filter((at) => now - at < WINDOW);
    return Math.round((10_000 * known.changes.length) / Math.max(1_000, Math.min(WINDOW, now - known.since))) / 10;
  };
  return defer(() => look(locks, pattern)).pipe(
    map((found) => found.map((inspection) => ({ ...inspection, handOffs: rate(inspection.name, inspection.fence) }))),
    tap(() => {
      for (const [name, { seen }] of past) if (performance.now() - seen > WINDOW) past.delete(name);
    }),
    repeat({ delay: every }),
    retry({
      delay: (error: Error) => {
        if (!(error instanceof RedisUnreachableError || error instanceof RedisRefusedError))
          return throwError(() => error);
        failed(error);
        return timer(every);
      },
    }),
  );
};
