/** What a wait that has timed out tells, on a real Redis: who holds, or that Redis is away, and never one for the other. */
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { lastValueFrom, map, NEVER, type Observable } from 'rxjs';
import {
  allOf,
  anyOf,
  type Held,
  LockCoordinator,
  LockTimeoutError,
  RedisUnreachableError,
  whileHeld,
  withLock,
} from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { freePort, type Server, startServer } from '../support/server.ts';

/** Every face that bounds a wait. */
const FACES: Readonly<Record<string, (locks: LockCoordinator, timeout: number) => Promise<unknown>>> = {
  acquire: (locks, timeout) => locks.mutex('a').acquire({ timeout }),
  using: (locks, timeout) => locks.mutex('a').using(() => 1, { timeout }),
  'acquire of allOf': (locks, timeout) => allOf(locks.mutex('a')).acquire({ timeout }),
  'acquire of anyOf': (locks, timeout) => anyOf(locks.mutex('a')).acquire({ timeout }),
  withLock: (locks, timeout) => lastValueFrom(NEVER.pipe(withLock(locks.mutex('a'), { timeout }))),
  whileHeld: (locks, timeout) => lastValueFrom(locks.mutex('a').pipe(whileHeld(() => NEVER, { timeout }))),
  'whileHeld of a piped lock': (locks, timeout) => {
    const piped: Observable<Held> = locks.mutex('a').pipe(map((lease) => lease));
    return lastValueFrom(piped.pipe(whileHeld(() => NEVER, { timeout })));
  },
};

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.fail('It was granted'),
    (error) => error,
  );

describe('a wait that has timed out', () => {
  let server: Server;
  const opened: (() => unknown)[] = [];
  beforeEach(async () => {
    server = await startServer();
  });
  afterEach(async () => {
    for (const close of opened.splice(0)) await close();
    await server.stop();
  });
  const coordinator = (port: number, identity: string): LockCoordinator => {
    const redis = new Redis({ port, host: '127.0.0.1', lazyConnect: true });
    redis.on('error', () => undefined);
    const locks = new LockCoordinator(redis, { identity, commandTimeout: 300 });
    opened.push(() => locks.close());
    return locks;
  };

  it('says who holds and since when, from every face', async () => {
    const holder = coordinator(server.port, 'holder');
    const from = Date.now();
    const { owner } = await holder.mutex('a').acquire();
    const waiter = coordinator(server.port, 'waiter');
    for (const [face, ask] of Object.entries(FACES)) {
      const error = await failure(ask(waiter, 60));
      if (!(error instanceof LockTimeoutError)) throw new Error(`${face}: ${error}`);
      expect(error.owners, face).to.deep.equal([owner]);
      expect(error.heldHere, face).to.equal(false);
      expect(error.rank, face).to.equal(0);
      expect(error.cause, face).to.equal(undefined);
      expect(error.since?.getTime(), face).to.be.within(from - 1_000, Date.now() + 1_000);
      expect(error.remaining, face).to.be.within(1, 30_000);
      expect(error.message, face).to.match(
        /^The lock "a" was not granted within 60 ms: held by "holder:.* since .*, 0 ahead in the/,
      );
    }
    const nested = await failure(holder.mutex('a').acquire({ timeout: 60 }));
    expect(nested).to.include({ heldHere: true });
    const single = await failure(waiter.mutex('a').acquire({ timeout: 0 }));
    expect(single).to.deep.include({ owners: [owner], rank: 0 });
  });

  it('errors as out of reach where Redis was never heard, from every face', async () => {
    const locks = coordinator(await freePort(), 'lost');
    for (const [face, ask] of Object.entries(FACES)) {
      for (const timeout of [100, 700]) {
        const error = await failure(ask(locks, timeout));
        expect(error, face).to.be.instanceOf(RedisUnreachableError);
        expect(error, face).to.nested.property('cause.message').that.includes('ECONNREFUSED');
      }
    }
  });

  it('has the connection’s last error as its cause if Redis has gone down meanwhile, from every face', async () => {
    const holder = coordinator(server.port, 'holder');
    await holder.mutex('a').acquire();
    const waiter = coordinator(server.port, 'waiter');
    let waiting = 0;
    waiter.events$.subscribe(({ type }) => (waiting += Number(type === 'waiting')));
    const asked = Object.entries(FACES).map(([face, ask]) => [face, failure(ask(waiter, 2_500))] as const);
    await eventually('all wait', () => waiting === asked.length);
    await server.stop();
    for (const [face, failing] of asked) {
      const error = await failing;
      expect(error, face).to.be.instanceOf(LockTimeoutError);
      expect(error, face).to.nested.property('cause.message').that.includes('ECONNREFUSED');
    }
  });
});
