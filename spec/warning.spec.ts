/** What is legal and seldom meant is warned of, once in a process. */
import { execFileSync } from 'node:child_process';
import { assert } from 'chai';
import { programOf } from './support/program.ts';

describe('a ttl of less than a second', () => {
  /** In a process of its own, where nothing has been warned of yet. */
  const warnings = (...made: readonly string[]): string[] => {
    const text = `
      import { Redis } from 'ioredis';
      import { LockCoordinator } from './src/index.ts';
      import { memoryCoordinator } from './src/testing.ts';
      const redis = new Redis({ lazyConnect: true });
      const locks = new LockCoordinator(redis);
      process.on('warning', ({ code, message }) => code === 'REDISYNC_TTL' && console.log(message));
      ${made.join(';')}`;
    return execFileSync(process.execPath, ['--no-warnings', programOf(text)], { encoding: 'utf8' })
      .split('\n')
      .slice(0, -1);
  };

  it('is warned of once in a process', () => {
    const made = [
      "locks.mutex('a', { ttl: 10 })",
      "locks.mutex('a', { ttl: 10 })",
      'new LockCoordinator(redis, { ttl: 30 })',
    ];
    assert.deepEqual(warnings(...made), ['ttl is in ms, and a lease of 10 ms is lost in a short pause']);
  });

  it('is not warned of where another option shows that ms are meant, nor where there is no Redis', () => {
    const made = [
      "locks.mutex('a', { ttl: 1_000 })",
      "locks.mutex('a', { ttl: 500, renewEvery: 100 })",
      'new LockCoordinator(redis, { ttl: 500, commandTimeout: 100 })',
      "memoryCoordinator({ ttl: 10 }).mutex('a', { ttl: 20 })",
    ];
    assert.deepEqual(warnings(...made), []);
  });
});
