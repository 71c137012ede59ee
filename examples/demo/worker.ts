/** One worker process of the demo: makes its share of the transfers, with or without locks. */
import { Redis } from 'ioredis';
import {
  auditTime,
  concatMap,
  defer,
  delay,
  from,
  lastValueFrom,
  mergeMap,
  type Observable,
  retry,
  scan,
  tap,
  throwError,
  timer,
} from 'rxjs';
import { allOf, type Lock, LockCoordinator, LockLostError, withLock } from '../../src/index.ts';
import { Bank, type Fences, lockName } from './bank.ts';
import { type Job, type Report, TTL } from './job.ts';
import { type Transfer, transfers } from './transfers.ts';

/** ms between reading two accounts and writing them back. */
const THINK = 2;
/** Transfers that one worker has in hand at once. */
const AT_ONCE = 4;

const { label, prefix, share, shares, locked }: Job = JSON.parse(process.env.DEMO_JOB ?? '');
const tell = (report: Report): unknown => process.send?.(report);
const mainHasGone = (): never => process.exit(1);
process.once('disconnect', mainHasGone);
process.on('SIGINT', () => undefined); // Ctrl-C reaches the whole group; main ends its workers itself

const redis = new Redis(process.env.REDIS_URL ?? '');
const bank = new Bank(redis, prefix);
const locks = new LockCoordinator(redis, { ttl: TTL, waiterTtl: TTL, identity: label });

const lockOf = (account: string): Lock => locks.mutex(lockName(prefix, account));

const make = (transfer: Transfer, fences: () => Fences): Observable<void> =>
  defer(() => Promise.all([bank.read(transfer.from), bank.read(transfer.to)])).pipe(
    delay(THINK),
    concatMap(([a, b]) => bank.writeBack(transfer, a, b, fences())),
  );

/** The same, piped through both accounts' locks. Their tokens let the bank refuse a writer that comes too late. */
const makeLocked = (transfer: Transfer): Observable<void> =>
  defer(() => {
    let fences: Fences = [0, 0];
    const both = allOf(lockOf(transfer.from), lockOf(transfer.to)).pipe(
      tap(([first, second]) => {
        fences = [first?.fence ?? 0, second?.fence ?? 0];
      }),
    );
    return make(transfer, () => fences).pipe(withLock(both));
  }).pipe(retry({ delay: (error) => (error instanceof LockLostError ? timer(100) : throwError(() => error)) }));

const told = lastValueFrom(
  locks.events$.pipe(
    scan(
      (sum: Report, event) => ({
        handOffs: sum.handOffs + (event.type === 'handedOver' ? event.to : 0),
        highest: Math.max(sum.highest, (event.type === 'acquired' && event.fence) || 0),
      }),
      { handOffs: 0, highest: 0 },
    ),
    auditTime(100),
    tap(tell),
  ),
  { defaultValue: undefined },
);

await redis.ping();
const go = new Promise((resolve) => process.once('message', resolve));
tell({ handOffs: 0, highest: 0 });
await go;

// One that replaces a killed worker leaves out what is done. What was under way is found done, or not, under its locks.
const done = new Set(await bank.done());
const mine = transfers().filter(({ id }, i) => i % shares === share && !done.has(id));
await lastValueFrom(from(mine).pipe(mergeMap((t) => (locked ? makeLocked(t) : make(t, () => [0, 0])), AT_ONCE)), {
  defaultValue: undefined,
});
await locks.close();
await told;
redis.disconnect();
process.off('disconnect', mainHasGone);
process.disconnect?.();
