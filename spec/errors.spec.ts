/** The errors: told apart by class and by code, with the lock's name, and no more of their cause than its words. */
import { readFileSync } from 'node:fs';
import { assert } from 'chai';
import * as errors from '../src/errors.ts';

const cause = new Error('ECONNREFUSED 127.0.0.1:6379');

const ALL: readonly errors.RedisyncError[] = [
  new errors.LockLostError('a', 'taken', cause),
  new errors.LockTimeoutError('a', 100, cause),
  new errors.LockAbortedError('a', cause),
  new errors.LockCorruptedError('a', cause),
  new errors.OwnerConflictError('a', 'me'),
  new errors.FenceExhaustedError('a'),
  new errors.CoordinatorClosedError('a'),
  new errors.RedisUnreachableError('a', 'Redis did not answer within 5 ms', 7, cause),
  new errors.RedisRefusedError('a', true, cause),
  new errors.NotReplicatedError('a', 2, 1),
];

describe('the errors', () => {
  it('are all here', () => {
    const classes = Object.values(errors).filter((value) => value.prototype instanceof errors.RedisyncError);
    assert.sameMembers(
      classes,
      ALL.map((error) => error.constructor as (typeof classes)[number]),
    );
  });

  it('have a code each, a name, a stack, and the lock’s name', () => {
    assert.equal(new Set(ALL.map(({ code }) => code)).size, ALL.length);
    for (const error of ALL) {
      assert.instanceOf(error, Error);
      assert.isTrue(error instanceof errors.RedisyncError);
      assert.match(error.code, /^[A-Z]+(_[A-Z]+)*$/);
      assert.equal(error.lock, 'a');
      assert.include(error.stack, error.name);
    }
  });

  it('are named for their class, but an abort as the platform names it', () => {
    for (const error of ALL) {
      const { name } = error.constructor;
      assert.equal(error.name, error instanceof errors.LockAbortedError ? 'AbortError' : name);
    }
  });

  it('hold their cause', () => {
    for (const error of ALL.filter((one) => 'cause' in one)) assert.strictEqual(error.cause, cause);
  });

  it('say in one readable line what happened, however long the name', () => {
    assert.equal(
      ALL[0]?.message,
      'The lease on "a" is lost: taken (Redis does not have it any more); acquire the lock again if the work is still wanted',
    );
    assert.equal(
      new errors.LockTimeoutError('a', 100).message,
      'The lock "a" was not granted within 100 ms; try again, or raise the timeout',
    );
    assert.equal(
      ALL[7]?.message,
      'Redis did not answer within 5 ms (lock "a"): ECONNREFUSED 127.0.0.1:6379; check that Redis is up, and can be reached from here',
    );
    const name = `${'long\n'.repeat(200)}`;
    for (const { message } of [new errors.LockLostError(name, 'expired'), new errors.LockTimeoutError(name, 5)]) {
      assert.isBelow(message.length, 250);
      assert.notInclude(message, '\n');
    }
  });

  it('of a wait whose time was over while Redis fails say so, and what to do about that, not about the timeout', () => {
    assert.equal(
      ALL[1]?.message,
      'The lock "a" was not granted within 100 ms: Redis fails now: ECONNREFUSED 127.0.0.1:6379; check that Redis is up, and can be reached from here',
    );
    const replica = new errors.RedisRefusedError('a', true, new Error('READONLY it is a replica.'));
    assert.equal(
      new errors.LockTimeoutError('a', 100, replica, { owners: [], rank: 3 }).message,
      'The lock "a" was not granted within 100 ms: 3 ahead in the queue, Redis fails now: Redis refused a command (lock "a"): READONLY it is a replica; ' +
        'try again after the failover, or pass a client of the master if this is always a replica',
    );
  });

  it('name the lock, and say after a semicolon what to do', () => {
    for (const { message } of ALL) assert.match(message, /"a"[^;]*; \w/);
  });

  it('say what to pass where the client was made for the wrong server, which no retry mends', () => {
    const remedy = (reply: string): string =>
      new errors.RedisRefusedError('a', true, new Error(reply)).message.split('; ')[1] ?? '';
    assert.match(remedy('MOVED 15495 127.0.0.1:7001'), /pass a Cluster/);
    assert.match(remedy("READONLY You can't write against a read only replica"), /pass a client of the master/);
    assert.match(remedy('BUSY Redis is busy running a script'), /passes by itself/);
  });

  it('say once what to do, and not again for their cause', () => {
    const inner = new errors.RedisUnreachableError('a', 'Redis did not answer within 5 ms');
    const { message } = new errors.RedisUnreachableError('a', 'Redis did not answer within 100 ms', undefined, inner);
    assert.equal(message.split('; ').length, 2);
  });

  it('have a section each on the page about errors', () => {
    const page = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8');
    const sections = [...page.matchAll(/^## `(\w+)`: `([A-Z_]+)`$/gm)].map(([, name, code]) => `${name} ${code}`);
    assert.sameMembers(
      sections,
      ALL.map((error) => `${error.constructor.name} ${error.code}`),
    );
  });

  it('tell by isTransient whether trying again can help', () => {
    const transient = ALL.filter(errors.isTransient).map(({ code }) => code);
    assert.deepEqual(transient, ['REDIS_UNREACHABLE', 'REDIS_REFUSED', 'NOT_REPLICATED']);
    assert.isFalse(errors.isTransient(new errors.RedisRefusedError('a', false, cause)));
    assert.isFalse(errors.isTransient(cause));
    assert.isFalse(errors.isTransient(undefined));
  });
});
