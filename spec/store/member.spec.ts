/** A node of a quorum, in virtual time: leaving it waits for what is on its way, and leaves again where that may land later. */
import { expect } from 'chai';
import { EMPTY, NEVER, type Observable, of, throwError, timer } from 'rxjs';
import { map, mergeMap } from 'rxjs/operators';
import { TestScheduler } from 'rxjs/testing';
import { RedisUnreachableError } from '../../src/errors.ts';
import { Member, type Node } from '../../src/store/member.ts';
import type { Answer, Released, Renewal, Request } from '../../src/store/store.ts';

const REQUEST: Request = {
  name: 'x',
  owner: 'me',
  mode: 'exclusive',
  permits: 1,
  limit: 0,
  ttl: 2_000,
  waiterTtl: 1_000,
};

describe('a node of a quorum', () => {
  const at = (spec: (scheduler: TestScheduler, said: string[]) => void): void => {
    const scheduler = new TestScheduler((actual, expected) => {
      expect(actual).to.deep.equal(expected);
    });
    const said: string[] = [];
    scheduler.run(() => spec(scheduler, said));
  };
  const node = (scheduler: TestScheduler, said: string[], facts: Partial<Node>): Node => ({
    grants$: NEVER,
    acquire: () => NEVER,
    renew: (_request, fence) => of<Renewal>(fence === 7 ? 'renewed' : 'taken'),
    release: (): Observable<Released> => {
      said.push(`left at ${scheduler.now()}`);
      return of({ held: true, grants: 0, now: scheduler.now() });
    },
    inspect: () => EMPTY,
    list: () => EMPTY,
    uptime: () => of(5_000),
    close: () => undefined,
    ...facts,
  });
  const granted: Answer = { granted: true, fence: 7 };

  it('is left only after its answer has come', () =>
    at((scheduler, said) => {
      const member = new Member(
        node(scheduler, said, { acquire: () => timer(80).pipe(map(() => granted)) }),
        scheduler,
      );
      member.acquire(REQUEST, 0, 100).subscribe((vote) => said.push(`${vote} at ${scheduler.now()}`));
      member
        .release({ name: 'x', owner: 'me', tell: true }, 100)
        .subscribe(({ held }) => said.push(`${held} at ${scheduler.now()}`));
      scheduler.flush();
      expect(said).to.deep.equal(['granted at 80', 'left at 80', 'true at 80']);
    }));

  it('is left again once what was sent to it can land no more', () =>
    at((scheduler, said) => {
      const lost = timer(20).pipe(mergeMap(() => throwError(() => new RedisUnreachableError('x', 'cut', 100))));
      const member = new Member(node(scheduler, said, { acquire: () => lost }), scheduler);
      member.acquire(REQUEST, 0, 100).subscribe({ error: () => said.push('failed') });
      member.release({ name: 'x', owner: 'me', tell: true }, 100).subscribe({ complete: () => said.push('done') });
      scheduler.flush();
      expect(said).to.deep.equal(['failed', 'left at 20', 'left at 101', 'done']);
    }));

  it('is left again where it was left in the last ms in which that could land: it may have landed behind', () =>
    at((scheduler, said) => {
      const lost = timer(100).pipe(mergeMap(() => throwError(() => new RedisUnreachableError('x', 'late', 100))));
      const member = new Member(node(scheduler, said, { acquire: () => lost }), scheduler);
      member.acquire(REQUEST, 0, 100).subscribe({ error: () => said.push('failed') });
      member.release({ name: 'x', owner: 'me', tell: true }, 100).subscribe({ complete: () => said.push('done') });
      scheduler.flush();
      expect(said).to.deep.equal(['failed', 'left at 100', 'left at 101', 'done']);
    }));

  it('has a vote once it is up for long enough, and abstains until then', () =>
    at((scheduler, said) => {
      const member = new Member(node(scheduler, said, { acquire: () => of(granted) }), scheduler);
      member.acquire(REQUEST, 5_000, 100).subscribe((vote) => said.push(vote));
      member.acquire(REQUEST, 5_001, 100).subscribe((vote) => said.push(vote));
      expect(said).to.deep.equal(['granted', 'abstains']);
    }));

  it('is asked to renew with the token that it gave itself', () =>
    at((scheduler, said) => {
      const member = new Member(node(scheduler, said, { acquire: () => of(granted) }), scheduler);
      member.renew(REQUEST, 100, false).subscribe((renewal) => said.push(renewal));
      member.acquire(REQUEST, 0, 100).subscribe();
      member.renew(REQUEST, 100, false).subscribe((renewal) => said.push(renewal));
      expect(said).to.deep.equal(['gone', 'renewed']);
    }));
});
