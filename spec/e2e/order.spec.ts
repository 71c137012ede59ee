/** In which order one coordinator tells of a lock that goes from one of its holders to the next: the one first, then the other. */
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { defer, of, ReplaySubject } from 'rxjs';
import { LockCoordinator, withLock } from '../../src/index.ts';
import { memoryCoordinator } from '../../src/testing.ts';
import { eventually } from '../support/eventually.ts';
import { type Server, startServer } from '../support/server.ts';

describe('a lock that goes from one holder to the next in a coordinator', () => {
  let server: Server;
  let redis: Redis;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
  });

  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  const COORDINATORS: Readonly<Record<string, () => LockCoordinator>> = {
    Redis: () => new LockCoordinator(redis),
    memory: () => memoryCoordinator(),
  };

  for (const [kind, coordinator] of Object.entries(COORDINATORS)) {
    it(`is released, its work has completed, and only then does the next work begin: ${kind}`, async () => {
      const locks = coordinator();
      const told: string[] = [];
      const go$ = new ReplaySubject<string>(1);
      locks.events$.subscribe(({ type }) => told.push(type));
      try {
        const first = go$.pipe(withLock(locks.mutex('a')));
        first.subscribe({ complete: () => told.push('first completes') });
        const second = defer(() => {
          told.push('second begins');
          return of('second');
        });
        const done = new Promise<void>((resolve) => {
          second.pipe(withLock(locks.mutex('a'))).subscribe({ complete: resolve });
        });
        await eventually('the second waits', () => told.includes('waiting'));
        go$.complete();
        await done;
        assert.deepEqual(told, [
          'acquired',
          'waiting',
          'released',
          'first completes',
          'handedOver',
          'acquired',
          'second begins',
          'released',
        ]);
      } finally {
        await locks.close();
      }
    });

    it(`is released for promise code, too, before the next has it: ${kind}`, async () => {
      const locks = coordinator();
      const told: string[] = [];
      try {
        const lease = await locks.mutex('b').acquire();
        let waits = false;
        locks.events$.subscribe(({ type }) => {
          waits ||= type === 'waiting';
        });
        const next = locks.mutex('b').using(() => told.push('next'));
        await eventually('the next waits', () => waits);
        await Promise.all([lease.release().then(() => told.push('released')), next]);
        assert.deepEqual(told, ['released', 'next']);
      } finally {
        await locks.close();
      }
    });
  }
});
