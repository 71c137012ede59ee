/** A node of a quorum, in virtual time: leaving it waits for what is on its way, and leaves again where that may land later. */
import { expect } from 'chai';
import { EMPTY, NEVER, type Observable, of, throwError, timer } from 'rxjs';
import { map, mergeMap } from 'rxjs/operators';
import { TestScheduler } from 'rxjs/testing';
import { RedisUnreachableError } from '../../src/errors.ts';
import { Member } from '../../src/store/quorum/member.ts';
import type { Node } from '../../src/store/quorum/node-lease.ts';
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
    raise: () => of(true),
    close: () => undefined,
    ...facts,
  });
  const granted: Answer = { granted: true, fence: 7 };

  it('is released only after its answer has come', () =>
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
      expect(said).to.deep.equal(['7 at 80', 'left at 80', 'true at 80']);
    }));

  it('is released again once what was sent to it can take no more effect', () =>
    at((scheduler, said) => {
      const lost = timer(20).pipe(mergeMap(() => throwError(() => new RedisUnreachableError('x', 'cut', 100))));
      const member = new Member(node(scheduler, said, { acquire: () => lost }), scheduler);
      member.acquire(REQUEST, 0, 100).subscribe({ error: () => said.push('failed') });
      member.release({ name: 'x', owner: 'me', tell: true }, 100).subscribe({ complete: () => said.push('done') });
      scheduler.flush();
      expect(said).to.deep.equal(['failed', 'left at 20', 'left at 101', 'done']);
    }));

  it('is released again if it was released in the last ms in which that could take effect', () =>
    at((scheduler, said) => {
      const lost = timer(100).pipe(mergeMap(() => throwError(() => new RedisUnreachableError('x', 'late', 100))));
      const member = new Member(node(scheduler, said, { acquire: () => lost }), scheduler);
      member.acquire(REQUEST, 0, 100).subscribe({ error: () => said.push('failed') });
      member.release({ name: 'x', owner: 'me', tell: true }, 100).subscribe({ complete: () => said.push('done') });
      scheduler.flush();
      expect(said).to.deep.equal(['failed', 'left at 100', 'left at 101', 'done']);
    }));

  it('has a vote once it has been up for long enough, and none before', () =>
    at((scheduler, said) => {
      const member = new Member(node(scheduler, said, { acquire: () => of(granted) }), scheduler);
      member.acquire(REQUEST, 5_000, 100).subscribe((vote) => said.push(`${vote}`));
      member.acquire(REQUEST, 5_001, 100).subscribe((vote) => said.push(`${vote}`));
      expect(said).to.deep.equal(['7', 'abstains']);
    }));

  describe('that granted a lease', () => {
    /** Says what it is raised and left with, and takes `ms` to be raised. */
    const raised = (scheduler: TestScheduler, said: string[], ms: number, facts: Partial<Node> = {}): Node =>
      node(scheduler, said, {
        acquire: () => of(granted),
        raise: (_lease, own, fence) => {
          said.push(`raised from ${own} to ${fence}`);
          return timer(ms);
        },
        release: ({ fence }) => {
          said.push(`left with ${fence} at ${scheduler.now()}`);
          return of({ held: true, grants: 0, now: scheduler.now() });
        },
        ...facts,
      });
    const leave = (member: Member): void => {
      member.release({ name: 'x', owner: 'me', fence: 9 }, 100).subscribe();
    };

    it('is raised to the fence of the lease, and is then released by that fence', () =>
      at((scheduler, said) => {
        const member = new Member(raised(scheduler, said, 20), scheduler);
        member.acquire(REQUEST, 0, 100).subscribe();
        member.raise(REQUEST, 9, 100).subscribe((is) => said.push(`${is} at ${scheduler.now()}`));
        timer(10).subscribe(() => leave(member));
        timer(30).subscribe(() => {
          member.acquire(REQUEST, 0, 100).subscribe();
          leave(member);
        });
        scheduler.flush();
        expect(said).to.deep.equal([
          'raised from 7 to 9',
          'left with undefined at 10', // whichever of the two it has by then
          'true at 20',
          'left with 7 at 30',
        ]);
      }));

    it('is not raised to a fence that it drew itself', () =>
      at((scheduler, said) => {
        const member = new Member(raised(scheduler, said, 20), scheduler);
        member.acquire(REQUEST, 0, 100).subscribe();
        member.raise(REQUEST, 7, 100).subscribe((is) => said.push(`${is}`));
        scheduler.flush();
        expect(said).to.deep.equal(['true']);
      }));

    it('is raised as soon as it has answered, also after the majority was found', () =>
      at((scheduler, said) => {
        const slow = { acquire: () => timer(80).pipe(map(() => granted)) };
        const member = new Member(raised(scheduler, said, 20, slow), scheduler);
        member.acquire(REQUEST, 0, 100).subscribe().unsubscribe();
        member.raise(REQUEST, 9, 100).subscribe().unsubscribe();
        scheduler.flush();
        expect(said).to.deep.equal(['raised from 7 to 9']);
      }));

    it('is raised without a vote, too, and does not count', () =>
      at((scheduler, said) => {
        const member = new Member(raised(scheduler, said, 20), scheduler);
        member.acquire(REQUEST, 5_001, 100).subscribe();
        member.raise(REQUEST, 9, 100).subscribe((is) => said.push(`${is}`));
        scheduler.flush();
        expect(said).to.deep.equal(['raised from 7 to 9', 'false']);
      }));
  });

  it('that denied a lease is not raised for it', () =>
    at((scheduler, said) => {
      const denied: Answer = { granted: false, wait: 1, rank: 0, announced: false, drawn: 0, ticket: 0 };
      const member = new Member(node(scheduler, said, { acquire: () => of(denied) }), scheduler);
      member.acquire(REQUEST, 0, 100).subscribe((vote) => said.push(`${vote}`));
      member.raise(REQUEST, 9, 100).subscribe((is) => said.push(`${is}`));
      expect(said).to.deep.equal(['denied', 'false']);
    }));

  describe('that is without the lease', () => {
    /** A node that says at each renewal that the lease is not there, and takes `ms` to answer what it is asked for it. */
    const without = (scheduler: TestScheduler, said: string[], ms: number, answer: Answer | Error = granted): Node =>
      node(scheduler, said, {
        acquire: ({ mode }) => {
          said.push(`asked for it, ${mode}, at ${scheduler.now()}`);
          return timer(ms).pipe(
            map(() => {
              if (answer instanceof Error) throw answer;
              return answer;
            }),
          );
        },
        renew: () => of<Renewal>('taken'),
      });
    /** Has asked for the lease, and heard at a renewal that it is not there. */
    const missed = (member: Member, downgrade = false): void => {
      member.acquire(REQUEST, 0, 100).subscribe({ error: () => undefined });
      timer(200).subscribe(() => member.renew(REQUEST, 7, 100, downgrade).subscribe());
    };
    const leave = (member: Member, said: string[]): void => {
      member.release({ name: 'x', owner: 'me', tell: true }, 100).subscribe({ complete: () => said.push('done') });
    };

    it('is asked for it again, once at a time', () =>
      at((scheduler, said) => {
        const member = new Member(without(scheduler, said, 50), scheduler);
        missed(member);
        for (const ms of [200, 220, 240, 260]) timer(ms).subscribe(() => member.heal(REQUEST, 7, 100));
        scheduler.flush();
        expect(said).to.deep.equal([0, 200, 260].map((ms) => `asked for it, exclusive, at ${ms}`));
      }));

    it('is given the fence of the lease with it', () =>
      at((scheduler, said) => {
        const raise: Node['raise'] = (_lease, own, fence) => of(said.push(`raised from ${own} to ${fence}`));
        const member = new Member({ ...without(scheduler, said, 50), raise }, scheduler);
        missed(member);
        timer(200).subscribe(() => member.heal(REQUEST, 5, 100));
        scheduler.flush();
        expect(said.slice(2)).to.deep.equal(['raised from 7 to 5']);
      }));

    it('is asked for nothing where it has the lease', () =>
      at((scheduler, said) => {
        const has = { ...without(scheduler, said, 50), renew: () => of<Renewal>('renewed') };
        const member = new Member(has, scheduler);
        missed(member);
        timer(200).subscribe(() => member.heal(REQUEST, 7, 100));
        scheduler.flush();
        expect(said).to.deep.equal(['asked for it, exclusive, at 0']);
      }));

    it('is asked for it as it is now: shared, after a downgrade', () =>
      at((scheduler, said) => {
        const member = new Member(without(scheduler, said, 50), scheduler);
        missed(member, true);
        timer(200).subscribe(() => member.heal(REQUEST, 7, 100));
        scheduler.flush();
        expect(said).to.deep.equal(['asked for it, exclusive, at 0', 'asked for it, shared, at 200']);
      }));

    it('is released only after the answer to that has come, and is not asked once its release has begun', () =>
      at((scheduler, said) => {
        const member = new Member(without(scheduler, said, 50), scheduler);
        missed(member);
        timer(200).subscribe(() => {
          member.heal(REQUEST, 7, 100);
          leave(member, said);
          member.heal(REQUEST, 7, 100);
        });
        timer(250).subscribe(() => member.heal(REQUEST, 7, 100));
        timer(260).subscribe(() => member.heal(REQUEST, 7, 100));
        scheduler.flush();
        expect(said).to.deep.equal([
          'asked for it, exclusive, at 0',
          'asked for it, exclusive, at 200',
          'left at 250',
          'done',
        ]);
      }));

    it('is released again if that request may take effect after the release', () =>
      at((scheduler, said) => {
        const lost = new RedisUnreachableError('x', 'cut', 300);
        const member = new Member(without(scheduler, said, 50, lost), scheduler);
        missed(member);
        timer(200).subscribe(() => {
          member.heal(REQUEST, 7, 100);
          leave(member, said);
        });
        scheduler.flush();
        expect(said.slice(2)).to.deep.equal(['left at 250', 'left at 301', 'done']);
      }));
  });

  it('that has missed a downgrade is sent it again at the next renewal', () =>
    at((scheduler, said) => {
      const outcomes = [throwError(() => new RedisUnreachableError('x', 'cut', 100)), of<Renewal>('renewed')];
      const renew: Node['renew'] = (_request, _fence, _within, downgrade) => {
        said.push(downgrade ? 'downgrade' : 'renew');
        return outcomes.shift() ?? of<Renewal>('renewed');
      };
      const member = new Member(node(scheduler, said, { acquire: () => of(granted), renew }), scheduler);
      member.acquire(REQUEST, 0, 100).subscribe();
      for (const downgrade of [true, false, false]) {
        member.renew(REQUEST, 7, 100, downgrade).subscribe({ error: () => undefined });
      }
      scheduler.flush();
      expect(said).to.deep.equal(['downgrade', 'downgrade', 'renew']);
    }));
});
