/** One worker process of the demo: makes its share of the transfers, with or without locks, when it is told to. */
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { allOf, type Lock, LockCoordinator, LockLostError, withLock } from 'redisync';
import {
  concatMap,
  defer,
  delay,
  from,
  lastValueFrom,
  mergeMap,
  type Observable,
  retry,
  tap,
  throwError,
  timer,
} from 'rxjs';
import { Bank, type Fences, FenceTooLow, lockName } from './bank.ts';
import { type Job, type Pass, type Report, TTL } from './job.ts';
import { type Transfer, transfers } from './transfers.ts';

/** ms between reading two accounts and writing them back. */
const THINK = 2;
/** Transfers that one worker has in hand at once. */
const AT_ONCE = 4;

const { label, prefix, share, shares }: Job = JSON.parse(process.env.DEMO_JOB ?? '');
const redis = new Redis(process.env.REDIS_URL ?? '');
const bank = new Bank(redis, prefix);
const locks = new LockCoordinator(redis.duplicate({ keyPrefix: prefix, lazyConnect: true }), {
  ttl: TTL,
  waiterTtl: TTL,
  identity: label,
});
const lockOf = (account: string): Lock => locks.mutex(lockName(account));

const make = (transfer: Transfer, fences: () => Fences): Observable<void> =>
  defer(() => Promise.all([bank.read(transfer.from), bank.read(transfer.to)])).pipe(
    delay(THINK),
    concatMap(([a, b]) => bank.writeBack(transfer, a, b, fences())),
  );

/** Whether the lease was lost before the write: by our clocks, or as the bank found. */
const isOver = (error: unknown): boolean => error instanceof LockLostError || error instanceof FenceTooLow;

/** The same, under the locks of both accounts. By their fences the bank refuses a writer that comes too late. */
const makeLocked = (transfer: Transfer): Observable<void> =>
  defer(() => {
    let fences: Fences = [0, 0];
    const both = allOf(lockOf(transfer.from), lockOf(transfer.to)).pipe(
      tap(([a, b]) => {
        fences = [a.fence, b.fence];
      }),
    );
    return make(transfer, () => fences).pipe(withLock(both));
  }).pipe(retry({ delay: (error) => (isOver(error) ? timer(100) : throwError(() => error)) }));

const report: Report = { passes: 0, handOffs: 0, highest: 0 };
const tell = (): unknown => process.connected && process.send?.(report);
locks.events$.subscribe((event) => {
  if (event.type === 'handedOver') report.handOffs += event.to;
  if (event.type === 'acquired') report.highest = Math.max(report.highest, event.fence);
});

/** A worker that replaces a killed one leaves out the transfers that are done. Whether the last one was done it sees under its locks. */
const pass = async ({ locked }: Pass): Promise<void> => {
  const done = new Set(await bank.done());
  const mine = transfers().filter(({ id }, i) => i % shares === share && !done.has(id));
  const made$ = from(mine).pipe(mergeMap((t) => (locked ? makeLocked(t) : make(t, () => [0, 0])), AT_ONCE));
  await lastValueFrom(made$, { defaultValue: undefined });
  report.passes += 1;
  tell();
};

process.on('SIGINT', () => undefined); // Ctrl-C reaches the whole group; main ends its workers itself
process.on('message', pass);
await redis.ping();
tell();
const telling = setInterval(tell, 100);

await once(process, 'disconnect'); // main needs this worker no more, or has ended
clearInterval(telling);
await locks.close();
redis.disconnect();
