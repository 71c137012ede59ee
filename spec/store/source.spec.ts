/** What is no client is refused by name, with what to pass in its place, and without a word of what is in it. */
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { createClient, createClientPool, createCluster, createSentinel } from 'redis';
import { LockCoordinator } from '../../src/index.ts';
import type { Source } from '../../src/store/given.ts';

const SECRET = 'correct-horse-battery';

const URL_OF = `redis://:${SECRET}@127.0.0.1:1`;

const MISTAKES: Readonly<Record<string, readonly [given: () => unknown, told: RegExp]>> = {
  'a URL': [() => URL_OF, /got a string: pass a client that is made with it, as in new Redis\(url\)/],
  options: [() => ({ host: 'localhost', password: SECRET }), /got options of a connection: pass .* new Redis\(\{ host/],
  'options of node-redis': [() => ({ url: URL_OF }), /got options of a connection/],
  'a promise of a client': [() => Promise.resolve(), /got a promise: await it/],
  'a Cluster of node-redis': [
    () => createCluster({ rootNodes: [{ url: URL_OF }] }),
    /got a Cluster of node-redis: pass a Cluster of ioredis/,
  ],
  'a Sentinel client of node-redis': [
    () => createSentinel({ name: 'main', sentinelRootNodes: [{ host: 'localhost', port: 1 }] }),
    /got a Sentinel client of node-redis: pass a Redis of ioredis with `sentinels`/,
  ],
  'a pool of node-redis': [() => createClientPool({ url: URL_OF }), /got a pool of node-redis: pass a single client/],
  'a client of another version': [() => ({ sendCommand: () => undefined }), /got a client of a library or a version/],
  nothing: [() => undefined, /got undefined/],
};

describe('a coordinator that is given no client', () => {
  for (const [kind, [given, told]] of Object.entries(MISTAKES)) {
    it(`says what it got, and what to pass: ${kind}`, () => {
      const refusal = (redis: unknown): unknown => {
        try {
          return new LockCoordinator(redis as Redis);
        } catch (error) {
          return error;
        }
      };
      for (const error of [refusal(given()), refusal([given()])]) {
        assert.instanceOf(error, TypeError);
        assert.match(error.message, /^redis(\[0\])? must be an ioredis Redis or Cluster, or a node-redis client, got /);
        assert.match(error.message, told);
        assert.notInclude(error.message, SECRET);
      }
    });
  }
});

describe('the nodes of a quorum', () => {
  const quorumOf = (...nodes: Source[]) => new LockCoordinator(nodes);
  const group = (name: string, ...ports: number[]): Redis =>
    new Redis({ name, sentinels: ports.map((port) => ({ host: '127.0.0.1', port })), lazyConnect: true });
  const at = (host: string, port: number): Redis => new Redis({ host, port, lazyConnect: true });

  it('may each be behind Sentinels of their own, which call their masters by one name', async () => {
    await quorumOf(group('mymaster', 1, 2), group('mymaster', 3, 4), group('mymaster', 5, 6)).close();
    await quorumOf(group('a', 1, 2), group('b', 1, 2), group('c', 1, 2)).close();
  });

  it('are no two that one Sentinel knows by one name', () => {
    const twice = (): unknown => quorumOf(group('a', 1, 2), group('b', 1, 2), group('a', 2, 3));
    assert.throws(twice, RangeError, 'independent of each other, got master a of localhost:2 twice');
  });

  it('are no two names of this machine with one port', () => {
    for (const other of ['localhost', '::1']) {
      const twice = (): unknown => quorumOf(at('127.0.0.1', 1), at('127.0.0.1', 2), at(other, 1));
      assert.throws(twice, RangeError, 'independent of each other, got localhost:1 twice');
    }
    const client = createClient({ url: 'redis://127.0.0.1:2' });
    assert.throws(() => quorumOf(at('a', 1), at('localhost', 2), client), RangeError, 'localhost:2 twice');
  });
});
