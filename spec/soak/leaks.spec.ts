/** The heap does not grow, neither by cycles nor by waiters, and after close() nothing is active. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { LockCoordinator } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { program } from '../support/program.ts';
import { type Server, startServer } from '../support/server.ts';
import { cycles } from './cycles.ts';
import { heapUsed, KEPT, keptOf } from './heap.ts';

describe('what does not grow', function () {
  this.timeout(300_000);
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

  it('is the heap, by 27 500 cycles', async () => {
    const { kept, heaps } = await cycles(27_500);
    assert.isBelow(kept, KEPT, `bytes of each cycle: ${heaps}`);
  });

  it('is the heap, by 10 000 waiters that come and go, by leaving and by being served', async () => {
    const locks = new LockCoordinator(redis, { waiterTtl: 30_000, commandTimeout: 10_000 });
    const queue = '{crowd}~redisync:claims';
    const wave = async (): Promise<void> => {
      const holder = await locks.mutex('crowd').acquire();
      let served = 0;
      const waiters = Array.from({ length: 1_000 }, () =>
        locks.mutex('crowd').subscribe((lease) => {
          served += 1;
          void lease.release();
        }),
      );
      await eventually('they wait', async () => (await redis.zcard(queue)) === 1_000);
      for (const [i, waiter] of waiters.entries()) if (i % 2) waiter.unsubscribe();
      await eventually('half of them have left', async () => (await redis.zcard(queue)) === 500);
      await holder.release();
      await eventually('the others are served', () => served === 500);
      await eventually('nobody is left', async () => (await redis.exists('crowd', queue)) === 0);
    };
    await wave();
    const heaps = [await heapUsed()];
    for (let i = 0; i < 10; i += 1) {
      await wave();
      heaps.push(await heapUsed());
    }
    await locks.close();
    assert.isBelow(keptOf(heaps, 1_000), KEPT, `bytes of each waiter: ${heaps}`);
  });

  it('is what is active in a process: after close() it is nothing', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'redisync-active-'));
    const told = join(directory, 'told');
    // what it says goes into a file: a pipe would be active
    const child = spawn(process.execPath, [program(new URL('closing.ts', import.meta.url)), server.url, told], {
      stdio: 'ignore',
    });
    const ended = once(child, 'exit', { signal: AbortSignal.timeout(60_000) });
    await ended.catch(() => undefined).finally(() => child.kill('SIGKILL')); // what is active keeps it from ending
    const { before, busy, after } = JSON.parse(readFileSync(told, 'utf8')) as Record<string, string[]>;
    rmSync(directory, { recursive: true });
    assert.includeMembers(busy ?? [], ['TCPSocketWrap', 'Timeout']);
    assert.deepEqual(before, []);
    assert.deepEqual(after, []);
  });
});
