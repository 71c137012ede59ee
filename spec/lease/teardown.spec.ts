/** Teardowns of the user's that throw, in virtual time: rxjs reports them, and nobody else is kept from being told. */
import { assert } from 'chai';
import { config, finalize, NEVER, type Observable } from 'rxjs';
import { inTime } from '../../src/locks/in-time.ts';
import { label, virtual } from '../support/virtual.ts';

const torn = (): never => {
  throw new Error('torn');
};

describe('a teardown that throws', () => {
  let reported: unknown[];
  let told: string[];

  beforeEach(() => {
    [reported, told] = [[], []];
    config.onUnhandledError = (error) => reported.push(error);
  });

  afterEach(() => {
    config.onUnhandledError = null;
  });

  const watch = (name: string, lock$: Observable<unknown>): void => {
    lock$.subscribe({ error: (error) => told.push(`${name} ${label(error)}`) });
  };

  it('does not keep close() from ending the other sessions and requests', () => {
    virtual(({ lock, sessions, scheduler, at, ends }) => {
      watch('a', lock({}, 'a').pipe(finalize(torn)));
      watch('b', lock({}, 'b'));
      watch('c', sessions.whileOpen(NEVER, scheduler).pipe(finalize(torn)));
      watch('d', sessions.whileOpen(NEVER, scheduler));
      at(20, () => sessions.shut());
      ends(['0 acquire', '0 acquire', '20 release', '20 release']);
    });
    assert.deepEqual(
      told,
      ['a', 'b', 'c', 'd'].map((name) => `${name} COORDINATOR_CLOSED`),
    );
    assert.lengthOf(reported, 2);
  });

  it('does not keep the second subscription of an owner from its loss', () => {
    virtual(({ lock, at, flush }) => {
      watch('1', lock({ owner: 'me', maxHold: 50 }).pipe(finalize(torn)));
      at(10, () => watch('2', lock({ owner: 'me' })));
      flush();
    });
    assert.deepEqual(told, ['1 lost: maxHold', '2 lost: maxHold']);
    assert.lengthOf(reported, 1);
  });

  it('does not keep a wait that has timed out from its error', () => {
    virtual(({ flush }) => {
      watch('it', NEVER.pipe(finalize(torn), inTime(20)));
      flush();
    });
    assert.deepEqual(told, ['it LOCK_TIMEOUT']);
    assert.lengthOf(reported, 1);
  });
});
