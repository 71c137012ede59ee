/** Arguments: every one that is out of its bounds throws at once, names itself, and nothing reaches the store. */
import { assert } from 'chai';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { asyncScheduler } from 'rxjs';
import { constantBackoff, exponentialBackoff, retryWithBackoff } from '../src/backoff.ts';
import { LockCoordinator } from '../src/coordinator.ts';
import type { Lease } from '../src/lease/lease.ts';
import { allOf } from '../src/locks/all-of.ts';
import { anyOf } from '../src/locks/any-of.ts';
import { whileHeld } from '../src/operators/while-held.ts';
import { withLock } from '../src/operators/with-lock.ts';
import type { LockOptions } from '../src/options.ts';
import { ownStore } from '../src/store/open-store.ts';
import { Memory, memoryCoordinator } from '../src/testing.ts';
import { FakeStore } from './support/fake-store.ts';

const LONGEST = 2 ** 31 - 1;

const store = new FakeStore(asyncScheduler);
ownStore(store);
const locks = new LockCoordinator(store, { ttl: 1_000 });
const redis = new Redis({ lazyConnect: true });

/** Any value at all, and those near the bounds of numbers and texts more often. */
const anything = fc.oneof(
  fc.anything({
    withBigInt: true,
    withDate: true,
    withNullPrototype: true,
    withSparseArray: true,
    withTypedArray: true,
  }),
  fc.constantFrom<unknown>(
    null,
    Symbol('s'),
    () => undefined,
    class {},
    '',
    '5',
    [],
    {},
    new Date(),
    Object.create(null),
  ),
  fc.constantFrom<unknown>(Number.NaN, Number.POSITIVE_INFINITY, -0.5, 0.5, 9.5, -1, 0, 1, 9, 10, LONGEST, LONGEST + 1),
  fc.double(),
  fc.string({ unit: 'binary', maxLength: 2_000 }),
  fc.constantFrom(
    'x'.repeat(128),
    'x'.repeat(129),
    'x'.repeat(256),
    'x'.repeat(257),
    'x'.repeat(1_025),
    '€'.repeat(342),
  ),
  fc.constantFrom('\ud800', 'a\udc00b'),
  fc.constantFrom<unknown>(Buffer.from([0xff]), new Proxy({}, {}), new Proxy(() => undefined, {}), 2 ** 53, 1e308),
);

const boom = (): never => {
  throw new Error('boom');
};

/** Throws at whatever is done to it. */
const traps: ProxyHandler<object> = new Proxy({}, { get: () => boom });

const revoked = <T extends object>(target: T): T => {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
};

/** Objects that throw when they are read. */
const UNREADABLE: readonly object[] = [
  ...[revoked({}), revoked([]), new Proxy({}, traps), new Proxy([], traps)],
  ...['ttl', 'every', 'timeout', 'permits', 'initial', 'count', 'schedule', 'duplicate', '0'].map((name) =>
    Object.defineProperty({}, name, { get: boom, enumerable: true }),
  ),
  Object.defineProperty([], 0, { get: boom, enumerable: true }),
];

/** Values that throw when they are looked at, or taken for text: fast-check itself would look at them. */
const HOSTILE: readonly unknown[] = [
  ...UNREADABLE,
  revoked(() => undefined),
  new Proxy(() => undefined, traps),
  { toString: boom, valueOf: boom, toJSON: boom, [Symbol.toPrimitive]: boom },
  Object.assign([], { toString: boom, [Symbol.toPrimitive]: boom }),
  Object.assign(() => undefined, { toString: boom, [Symbol.toPrimitive]: boom }),
];

const integer =
  (least: number, most = LONGEST) =>
  (value: unknown): boolean =>
    typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;

const text =
  (most: number) =>
  (value: unknown): boolean =>
    typeof value === 'string' && value.isWellFormed() && value.length > 0 && Buffer.byteLength(value) <= most;

/** A record, with or without options. An empty array, a Map or a promise is none. */
const isObject = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false;
  try {
    return Object.prototype.toString.call(value) === '[object Object]' || Object.keys(value).length > 0;
  } catch {
    return true; // it cannot be read
  }
};
const isFunction = (value: unknown): boolean => typeof value === 'function';
const never = (): boolean => false;

interface Argument {
  /** The name that the error must tell. */
  readonly argument: string;
  readonly valid: (value: unknown) => boolean;
  readonly call: (value: never) => unknown;
}

const option = (argument: keyof LockOptions, valid: Argument['valid']): Argument[] => [
  { argument, valid, call: (value) => locks.mutex('a', { [argument]: value }) },
  { argument, valid, call: (value) => locks.semaphore('a', 3, { [argument]: value }) },
  { argument, valid, call: (value) => locks.readWriteLock('a', { [argument]: value }) },
  { argument, valid, call: (value) => locks.leadership('a', { [argument]: value }) },
  ...(argument === 'owner'
    ? []
    : [{ argument, valid, call: (value: never) => new LockCoordinator(store, { [argument]: value }) }]),
];

const ARGUMENTS: Argument[] = [
  { argument: 'name', valid: text(1_024), call: (name) => locks.mutex(name) },
  { argument: 'name', valid: text(1_024), call: (name) => locks.semaphore(name, 1) },
  { argument: 'name', valid: text(1_024), call: (name) => locks.readWriteLock(name) },
  { argument: 'name', valid: text(1_024), call: (name) => locks.leadership(name) },
  { argument: 'name', valid: text(1_024), call: (name) => locks.inspect(name) },
  { argument: 'name', valid: text(1_024), call: (name) => locks.watch(name) },
  { argument: 'name', valid: text(1_024), call: (name) => locks.forceRelease(name) },
  { argument: 'pattern', valid: text(1_024), call: (pattern) => locks.list(pattern) },
  { argument: 'every', valid: integer(1), call: (every) => locks.watch('a', { every }) },
  { argument: 'limit', valid: integer(1), call: (limit) => locks.semaphore('a', limit) },
  { argument: 'permits', valid: integer(1, 3), call: (permits) => locks.semaphore('a', 3, { permits }) },
  { argument: 'options', valid: isObject, call: (options) => locks.mutex('a', options) },
  { argument: 'options', valid: isObject, call: (options) => locks.semaphore('a', 3, options) },
  { argument: 'options', valid: isObject, call: (options) => locks.readWriteLock('a', options) },
  { argument: 'options', valid: isObject, call: (options) => locks.leadership('a', options) },
  { argument: 'options', valid: isObject, call: (options) => locks.watch('a', options) },
  { argument: 'options', valid: isObject, call: (options) => new LockCoordinator(store, options) },
  { argument: 'options', valid: isObject, call: (options) => locks.mutex('a').acquire(options) },
  { argument: 'options', valid: isObject, call: (options) => allOf(locks.mutex('a')).acquire(options) },
  { argument: 'options', valid: isObject, call: (options) => exponentialBackoff(options) },
  { argument: 'timeout', valid: integer(0), call: (timeout) => locks.mutex('a').acquire({ timeout }) },
  { argument: 'signal', valid: never, call: (signal) => locks.mutex('a').acquire({ signal }) },
  { argument: 'redis|quorum', valid: never, call: (redis) => new LockCoordinator(redis) },
  { argument: 'redis', valid: never, call: (node) => new LockCoordinator([node, node, node]) },
  { argument: 'options', valid: isObject, call: (options) => memoryCoordinator(options) },
  { argument: 'scheduler', valid: never, call: (scheduler) => memoryCoordinator({ scheduler }) },
  { argument: 'memory', valid: never, call: (memory) => memoryCoordinator({ memory }) },
  { argument: 'options', valid: isObject, call: (options) => new Memory(options) },
  {
    argument: 'latency',
    valid: (value) => typeof value === 'number' && value >= 0,
    call: (latency) => new Memory({ latency }),
  },
  {
    argument: 'delayedRestart',
    valid: integer(0),
    call: (delayedRestart) => new LockCoordinator(redis, { delayedRestart }),
  },
  ...option('ttl', integer(10)),
  ...option('renewEvery', integer(1, 987)),
  ...option('waiterTtl', integer(30)),
  ...option('commandTimeout', integer(1)),
  ...option('maxHold', integer(1)),
  ...option('owner', text(256)),
  ...option('identity', text(128)),
  ...option('backoff', isFunction),
  ...option('scheduler', never),
  ...option('replicas', never),
  { argument: 'ms', valid: integer(0), call: (ms) => constantBackoff(ms) },
  { argument: 'initial', valid: integer(1), call: (initial) => exponentialBackoff({ initial }) },
  { argument: 'max', valid: integer(50), call: (max) => exponentialBackoff({ max }) },
  {
    argument: 'jitter',
    valid: (value) => typeof value === 'number' && value >= 0 && value <= 1,
    call: (jitter) => exponentialBackoff({ jitter }),
  },
  { argument: 'backoff', valid: isFunction, call: (backoff) => retryWithBackoff(backoff) },
  { argument: 'scheduler', valid: never, call: (scheduler) => retryWithBackoff(constantBackoff(1), scheduler) },
  { argument: 'lock', valid: never, call: (lock) => withLock(lock) },
  { argument: 'work', valid: isFunction, call: (work) => whileHeld(work) },
  { argument: 'allOf', valid: never, call: (lock) => allOf(lock) },
  { argument: 'anyOf', valid: never, call: (lock) => anyOf(lock) },
];

const thrownBy = (call: () => unknown): unknown => {
  try {
    call();
    return undefined;
  } catch (error) {
    return error;
  }
};

describe('an argument out of its bounds', () => {
  for (const { argument, valid, call } of ARGUMENTS) {
    const source = String(call)
      .replace(/^\(\w+\) => |\s+/g, ' ')
      .trim();
    const refuses = (value: unknown): void => {
      const error = thrownBy(() => call(value as never));
      if (!(error instanceof TypeError) && !(error instanceof RangeError)) assert.fail(`no such error: ${error}`);
      assert.match(error.message, new RegExp(`\\b${argument}\\b`));
      assert.isBelow(error.message.length, 500);
    };
    it(`throws at once and names itself: ${argument} in ${source}`, () => {
      const refused = anything.filter((value) => value !== undefined && !valid(value));
      fc.assert(fc.property(refused, refuses), { numRuns: 150 });
      for (const value of HOSTILE) if (!valid(value)) refuses(value);
    });
    if (argument === 'options') {
      it(`throws at once and names itself where reading it throws: ${source}`, () => UNREADABLE.forEach(refuses));
    }
  }

  it('asks nobody', () => assert.deepEqual(store.log, []));

  it('is a TypeError if it has another type, and a RangeError if it is out of bounds', () => {
    assert.throws(() => locks.mutex('a', { ttl: '5' as never }), TypeError, 'ttl (ms) must be a number from 10 to');
    assert.throws(() => locks.mutex('a', { ttl: 9 }), RangeError, 'ttl (ms) must be from 10 to 2147483647, got 9');
    assert.throws(() => locks.mutex('a', { ttl: 10.5 }), RangeError, 'ttl (ms) must be an integer');
    assert.throws(() => locks.mutex(7 as never), TypeError, 'name must be a string, got 7');
    assert.throws(
      () => new LockCoordinator(Redis as never),
      TypeError,
      'redis must be an ioredis Redis or Cluster, or',
    );
    assert.throws(() => new LockCoordinator((() => 1) as never), TypeError, 'a node-redis client, got a function');
    assert.throws(() => locks.mutex(''), RangeError, 'name must be 1 to 1024 bytes long, got 0');
    assert.throws(() => locks.semaphore('a', 2, { permits: 3 }), RangeError, 'permits must be from 1 to 2, got 3');
  });
});

describe('an argument at its bounds', () => {
  it('is taken', () => {
    locks.mutex('x'.repeat(1_024), { owner: 'o'.repeat(256), identity: 'i'.repeat(128) });
    locks.mutex('€'.repeat(341), { ttl: 10, renewEvery: 7, waiterTtl: 30, commandTimeout: 1, maxHold: 1 });
    locks.mutex('a', { ttl: LONGEST, renewEvery: 2_126_008_808, waiterTtl: LONGEST, maxHold: LONGEST });
    locks.semaphore('a', LONGEST, { permits: LONGEST });
    locks.semaphore('a', 1, { permits: 1 });
    locks.mutex('any\ttext \u0000 {of} "this" length:\n~redisync:claims');
  });
});

describe('renewEvery', () => {
  it('must leave time for a renewal before the lease’s deadline', () => {
    assert.throws(
      () => locks.mutex('a', { ttl: 1_000, renewEvery: 988 }),
      RangeError,
      'renewEvery (ms) must be from 1 to 987',
    );
    locks.mutex('a', { ttl: 1_000, renewEvery: 987 });
  });
});

describe('options', () => {
  const ttlOf = (options: LockOptions): number => locks.mutex('a', options).wanted.terms.ttl;

  it('may be inherited, as from a class with getters', () => {
    class Settings {
      get ttl(): number {
        return 2_000;
      }
    }
    assert.equal(ttlOf(new Settings()), 2_000);
    assert.equal(ttlOf(Object.create({ ttl: 3_000 })), 3_000);
    assert.equal(ttlOf(Object.assign(Object.create({ ttl: 3_000 }), { ttl: 4_000 })), 4_000);
    assert.equal(ttlOf(Object.create(null)), 1_000);
  });

  it('are no promise that was not awaited, nor another collection: these would count as no options', () => {
    const none = { Promise: Promise.resolve({ ttl: 5 }), Map: new Map([['ttl', 5]]), Array: [], Date: new Date() };
    for (const [kind, value] of Object.entries(none)) {
      assert.throws(
        () => locks.mutex('a', value as never),
        TypeError,
        `options must be an object with options, got a ${kind}`,
      );
    }
  });
});

describe('an option that there is not', () => {
  const said = (call: () => unknown): string => {
    const error = thrownBy(call);
    assert.instanceOf(error, TypeError);
    return error.message;
  };

  it('is refused with the nearest right name', () => {
    const typo = { tll: 5 } as LockOptions;
    assert.equal(
      said(() => locks.mutex('a', typo)),
      'options has no "tll": did you mean ttl?',
    );
    assert.equal(
      said(() => locks.semaphore('a', 2, typo)),
      'options has no "tll": did you mean ttl?',
    );
    assert.equal(
      said(() => locks.leadership('a', typo)),
      'options has no "tll": did you mean ttl?',
    );
    assert.equal(
      said(() => new LockCoordinator(store, typo)),
      'options has no "tll": did you mean ttl?',
    );
    assert.equal(
      said(() => memoryCoordinator(typo)),
      'options has no "tll": did you mean ttl?',
    );
    const renewal = { renewevry: 5 } as LockOptions;
    assert.equal(
      said(() => locks.mutex('a', renewal)),
      'options has no "renewevry": did you mean renewEvery?',
    );
    const replicas = { count: 1, timout: 5 } as never;
    assert.equal(
      said(() => locks.mutex('a', { replicas })),
      'replicas has no "timout": did you mean timeout?',
    );
    assert.equal(
      said(() => exponentialBackoff({ inital: 5 } as never)),
      'options has no "inital": did you mean initial?',
    );
  });

  it('is refused with the call that takes it', () => {
    const call = said(() => locks.mutex('a').acquire({ ttl: 5 } as never));
    assert.equal(call, 'options has no "ttl": see locks.mutex(name, { ttl })');
    assert.include(
      said(() => locks.mutex('a', { timeout: 5 } as never)),
      'see lock.acquire({ timeout })',
    );
    assert.include(
      said(() => locks.mutex('a', { permits: 5 } as never)),
      'see locks.semaphore(name, limit, { permits })',
    );
    assert.include(
      said(() => locks.mutex('a', { quorum: 2 } as never)),
      'see new LockCoordinator(nodes, { quorum })',
    );
    assert.include(
      said(() => new LockCoordinator(store, { owner: 'me' } as never)),
      'see locks.mutex(name, { owner })',
    );
  });

  it('is refused where another library has it, with our name for it', () => {
    assert.include(
      said(() => locks.mutex('a', { lockTimeout: 5 } as never)),
      'did you mean ttl?',
    );
    assert.include(
      said(() => locks.mutex('a', { retryDelay: 5 } as never)),
      'did you mean backoff?',
    );
    assert.include(
      said(() => locks.mutex('a', { retryCount: 5 } as never)),
      'see lock.acquire({ timeout })',
    );
    assert.include(
      said(() => locks.mutex('a').acquire({ acquireTimeout: 5 } as never)),
      'did you mean timeout?',
    );
    assert.include(
      said(() => locks.mutex('a', { identifier: 'me' } as never)),
      'did you mean owner?',
    );
  });

  it('is refused with the list of options if none is similar, also if it has the name of a method', () => {
    assert.include(
      said(() => locks.watch('a', { toString: 5 } as never)),
      'options has no "toString": it takes every',
    );
    assert.match(
      said(() => locks.mutex('a', { onLockLost: 5 } as never)),
      /has no "onLockLost": it takes ttl, .*owner$/,
    );
  });
});

describe('identity', () => {
  it('is by default the host and the pid', () => {
    const { identity } = locks.mutex('a').wanted.terms;
    assert.match(identity, new RegExp(`^[\\x21-\\x7e]{1,64}:${process.pid}$`));
    assert.equal(locks.mutex('a', { identity: 'me' }).wanted.terms.identity, 'me');
  });
});

describe('an option that is undefined', () => {
  it('is one that is not given: the coordinator’s default holds', () => {
    const options: LockOptions = { ttl: undefined, waiterTtl: undefined, owner: undefined };
    assert.equal(locks.mutex('a', options).wanted.terms.ttl, 1_000);
  });

  it('leaves a coordinator over memory its back-off without jitter', () => {
    const { backoff } = memoryCoordinator({ backoff: undefined }).mutex('a').wanted.terms;
    assert.deepEqual([1, 2, 3, 4, 5, 6].map(backoff), [50, 100, 200, 400, 800, 1_000]);
  });
});

describe('an argument of a lease out of its bounds', () => {
  let lease: Lease;

  before(async () => {
    lease = await locks.mutex('a').acquire();
  });

  after(() => lease.release());

  it('throws at once and names itself', () => {
    for (const ttl of [9, 10.5, -1, Number.NaN, LONGEST + 1]) {
      assert.throws(() => lease.renew(ttl), RangeError, 'ttl');
    }
    assert.throws(() => lease.renew('5' as never), TypeError, 'ttl');
    for (const minimum of [-1, 0.5, Number.NaN]) assert.throws(() => lease.assertHeld(minimum), RangeError, 'minimum');
    assert.throws(() => lease.assertHeld(null as never), TypeError, 'minimum');
    for (const value of HOSTILE) {
      assert.throws(() => lease.renew(value as never), TypeError, 'ttl (ms) must be a number');
      assert.throws(() => lease.assertHeld(value as never), TypeError, 'minimum');
    }
    assert.notInclude(store.log.join(), 'renew');
  });
});
