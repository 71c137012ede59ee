/** What every store does, sentence by sentence of "One model, one set of scripts": run over memory and over Redis. */
import { expect } from 'chai';
import type { Observable } from 'rxjs';
import { OwnerConflictError } from '../../src/errors.ts';
import type { Node } from '../../src/store/quorum/node-lease.ts';
import type { Answer, Grant, Inspection, Released, Renewal, Request } from '../../src/store/store.ts';

type Store = Omit<Node, 'uptime'>;

/** A server, real or in memory, and the time in which it lives. */
export interface Bench {
  /** A coordinator's store that hears of its grants. */
  open(): Promise<Store>;
  /** Closes a store, and resolves when the server knows that nobody listens there any more. */
  drop(store: Store): Promise<void>;
  /** Subscribes to a verb, and resolves with all that it emits. */
  ask<T>(answer: Observable<T>): Promise<T[]>;
  /** ms, on a clock that the server's does not outrun. */
  now(): number;
  pass(ms: number): Promise<void>;
  /** What is left on the server, but for the clock. */
  residue(): Promise<string[]>;
  stop(): Promise<void>;
}

const WITHIN = 5_000;
const names = (function* (): Generator<string, never> {
  for (let i = 0; ; i += 1) yield `name:${i}`;
})();

const request = (name: string, owner: string, more: Partial<Request>): Request => ({
  name,
  owner,
  mode: 'exclusive',
  permits: 1,
  limit: 0,
  ttl: 30_000,
  waiterTtl: 60_000,
  ...more,
});

export const contract = (title: string, start: () => Promise<Bench>): Mocha.Suite =>
  describe(`The contract of a store, on ${title}`, () => {
    let bench: Bench;
    let store: Store;
    let other: Store;
    let name: string;
    const told: string[] = [];

    before(async () => {
      bench = await start();
      store = await bench.open();
      other = await bench.open();
      const record = (grant: Grant | undefined): void => void (grant && told.push(`${grant.name} ${grant.owner}`));
      store.grants$.subscribe(record);
      other.grants$.subscribe(record);
    });
    after(() => bench.stop());
    beforeEach(() => {
      name = names.next().value;
    });

    const one = async <T>(answer: Observable<T>): Promise<T> => {
      const [value, ...more] = await bench.ask(answer);
      expect(more).to.deep.equal([]);
      if (value === undefined) throw new Error('The verb completed without an answer');
      return value;
    };
    const exclusive = (owner: string, more: Partial<Request> = {}): Request => request(name, owner, more);
    const shared = (owner: string, permits = 1, limit = 0, more: Partial<Request> = {}): Request =>
      request(name, owner, { mode: 'shared', permits, limit, ...more });
    const acquire = (asked: Request, by = store): Promise<Answer> => one(by.acquire(asked, true, WITHIN));
    const attempt = (asked: Request, by = store): Promise<Answer> => one(by.acquire(asked, false, WITHIN));
    const renew = (asked: Request, fence: number, downgrade = false): Promise<Renewal> =>
      one(store.renew(asked, fence, WITHIN, downgrade));
    const release = (owner: string | undefined, by = store): Promise<Released> =>
      one(by.release({ name, owner }, WITHIN));
    const inspect = (of = name): Promise<Inspection> => one(store.inspect(of, WITHIN));
    const holders = async (of = name): Promise<string[]> =>
      (await inspect(of)).holders.map(({ owner }) => owner).sort();
    const waiting = async (of = name): Promise<string[]> => (await inspect(of)).waiting.map(({ owner }) => owner);
    const granted = async (asked: Request, by = store): Promise<number> => {
      const answer = await acquire(asked, by);
      if (!answer.granted || answer.fence === undefined) throw new Error(`${asked.owner} was not granted`);
      return answer.fence;
    };
    const placed = async (asked: Request, by = store): Promise<number | undefined> => {
      const answer = await acquire(asked, by);
      if (answer.granted) throw new Error(`${asked.owner} was granted`);
      return answer.rank;
    };
    /** Polls, bounded: the condition is what is waited for, never a length of time. */
    const until = async (condition: () => Promise<boolean>): Promise<void> => {
      const since = bench.now();
      while (!(await condition())) {
        if (bench.now() - since > 30_000) throw new Error('The condition did not come about within 30 s');
        await bench.pass(10);
      }
    };
    const heard = (...owners: string[]): Promise<void> =>
      until(async () => owners.every((owner) => told.includes(`${name} ${owner}`)));

    describe('exclusion', () => {
      it('lets nobody in beside an exclusive lease', async () => {
        await granted(exclusive('a'));
        expect((await attempt(exclusive('b'))).granted).to.equal(false);
        expect((await attempt(shared('c'))).granted).to.equal(false);
        expect(await holders()).to.deep.equal(['a']);
      });

      it('lets no exclusive lease in beside a shared one', async () => {
        await granted(shared('a'));
        expect((await attempt(exclusive('b'))).granted).to.equal(false);
        expect((await attempt(shared('c'))).granted).to.equal(true);
        expect(await holders()).to.deep.equal(['a', 'c']);
      });

      it('never lets the permits in use exceed the limit', async () => {
        await granted(shared('a', 2, 5));
        await granted(shared('b', 2, 5));
        expect((await attempt(shared('c', 2, 5))).granted).to.equal(false);
        expect((await attempt(shared('d', 1, 5))).granted).to.equal(true);
        expect((await attempt(shared('e', 1, 5))).granted).to.equal(false);
        expect((await inspect()).holders.reduce((sum, { permits }) => sum + permits, 0)).to.equal(5);
      });
    });

    describe('the queue', () => {
      it('is served in the order of arrival, whichever coordinator asks', async () => {
        await granted(exclusive('a'));
        expect(await placed(exclusive('b'), other)).to.equal(0);
        expect(await placed(exclusive('c'))).to.equal(1);
        expect(await placed(exclusive('d'), other)).to.equal(2);
        for (const [holder, next] of ['ab', 'bc', 'cd']) {
          expect(await release(holder)).to.deep.include({ held: true, grants: 1 });
          expect(await holders()).to.deep.equal([next]);
        }
        await heard('b', 'c', 'd');
        expect(told.filter((grant) => grant.startsWith(`${name} `))).to.have.length(3);
      });

      it('is not overtaken by a single attempt, which leaves no place behind', async () => {
        await granted(shared('a', 2, 3));
        await placed(shared('b', 2, 3));
        expect(await attempt(shared('c', 1, 3))).to.deep.include({ granted: false, rank: 1 });
        expect(await waiting()).to.deep.equal(['b']);
      });

      it('keeps the place of a waiter that makes a single attempt', async () => {
        await granted(exclusive('a'));
        await placed(exclusive('b'));
        await placed(exclusive('c'));
        expect(await attempt(exclusive('b'))).to.deep.include({ granted: false, rank: 0 });
        expect(await waiting()).to.deep.equal(['b', 'c']);
      });

      it('lets readers that wait together enter together', async () => {
        await granted(exclusive('w'));
        for (const reader of ['r1', 'r2', 'r3']) await placed(shared(reader));
        expect(await release('w')).to.deep.include({ grants: 3 });
        expect(await holders()).to.deep.equal(['r1', 'r2', 'r3']);
      });

      it('holds later readers back behind a writer', async () => {
        await granted(shared('r1'));
        await placed(exclusive('w'));
        expect(await placed(shared('r2'))).to.equal(1);
        await release('r1');
        expect(await holders()).to.deep.equal(['w']);
        await release('w');
        expect(await holders()).to.deep.equal(['r2']);
      });

      it('lets readers in when the writer before them leaves', async () => {
        await granted(shared('r1'));
        await placed(exclusive('w'));
        await placed(shared('r2'));
        expect(await release('w')).to.deep.include({ held: false, grants: 1 });
        expect(await holders()).to.deep.equal(['r1', 'r2']);
      });

      it('does not let small requests starve a large one at the head', async () => {
        for (const owner of ['a', 'b', 'c']) await granted(shared(owner, 1, 3));
        await placed(shared('large', 3, 3));
        await placed(shared('small', 1, 3));
        await release('a');
        await release('b');
        expect(await holders()).to.deep.equal(['c']);
        await release('c');
        expect(await holders()).to.deep.equal(['large']);
        await release('large');
        expect(await holders()).to.deep.equal(['small']);
      });

      it('grants to as many as fit, in one step', async () => {
        await granted(shared('a', 4, 4));
        for (const [owner, permits] of [
          ['b', 1],
          ['c', 2],
          ['d', 2],
          ['e', 1],
        ] as const) {
          await placed(shared(owner, permits, 4));
        }
        expect(await release('a')).to.deep.include({ grants: 2 });
        expect(await holders()).to.deep.equal(['b', 'c']);
        expect(await waiting()).to.deep.equal(['d', 'e']);
      });

      it('tells the waiter how long until something lapses, and that it will be told', async () => {
        await granted(exclusive('a', { ttl: 20_000 }));
        const answer = await acquire(exclusive('b'));
        expect(answer).to.deep.include({ granted: false, announced: true });
        if (!answer.granted) expect(answer.wait).to.be.within(5_001, 20_000);
      });

      it('passes over a waiter whose coordinator does not listen, and keeps its place', async () => {
        const third = await bench.open();
        await granted(exclusive('a'));
        await placed(exclusive('gone'), third);
        await placed(exclusive('b'));
        await placed(exclusive('c'));
        await bench.drop(third);
        expect(await release('a')).to.deep.include({ grants: 1 });
        expect(await holders()).to.deep.equal(['b']);
        expect(await waiting()).to.deep.equal(['gone', 'c']);
        expect(await placed(exclusive('gone'))).to.equal(0);
        await release('b');
        expect(await holders()).to.deep.equal(['gone']);
      });
    });

    describe('time', () => {
      for (const mode of ['exclusive', 'shared'] as const) {
        it(`drops the holder of a lease that is ${mode} at its ttl, not before`, async () => {
          const since = bench.now();
          await granted(request(name, 'dead', { mode, ttl: 60, limit: 1 }));
          await until(async () => (await attempt(request(name, 'b', { mode, limit: 1 }))).granted);
          expect(bench.now() - since).to.be.at.least(58);
          expect(await holders()).to.deep.equal(['b']);
        });
      }

      it('grants to the queue when somebody behind the head asks after the holder has lapsed', async () => {
        await granted(exclusive('dead', { ttl: 60 }));
        await placed(exclusive('b'));
        await until(async () => {
          const answer = await acquire(exclusive('c'));
          expect(answer).to.deep.include({ granted: false, announced: true });
          return !answer.granted && answer.rank === 0;
        });
        expect(await holders()).to.deep.equal(['b']);
        await heard('b');
      });

      it('skips a waiter that has not been heard of for its waiterTtl', async () => {
        await granted(exclusive('a'));
        await placed(exclusive('dead', { waiterTtl: 60 }));
        await placed(exclusive('b'));
        await until(async () => !(await waiting()).includes('dead'));
        await release('a');
        expect(await holders()).to.deep.equal(['b']);
      });

      it('skips it likewise where it waits for more than one permit to be free', async () => {
        await granted(shared('a', 2, 2));
        await placed(shared('dead', 1, 2, { waiterTtl: 60 }));
        await placed(shared('b', 2, 2));
        await until(async () => !(await waiting()).includes('dead'));
        await release('a');
        expect(await holders()).to.deep.equal(['b']);
      });

      it('keeps a waiter for as long as it is heard of, and its place', async () => {
        await granted(exclusive('a'));
        const since = bench.now();
        await placed(exclusive('b', { waiterTtl: 2_000 }));
        await placed(exclusive('c'));
        await until(async () => {
          expect(await placed(exclusive('b', { waiterTtl: 2_000 }))).to.equal(0);
          return bench.now() - since > 2_500;
        });
        const [first] = (await inspect()).waiting;
        expect(first?.owner).to.equal('b');
        expect(first?.waited).to.be.above(2_000);
      });

      it('gives a waiter that lapsed its place back when it tells when it arrived', async () => {
        await granted(exclusive('a'));
        const answer = await acquire(exclusive('b', { waiterTtl: 40 }));
        await placed(exclusive('c'));
        await until(async () => !(await waiting()).includes('b'));
        if (answer.granted) throw new Error('b was granted');
        expect(await placed(exclusive('b', { ticket: answer.ticket }))).to.equal(0);
        expect(await waiting()).to.deep.equal(['b', 'c']);
      });

      it('gives an owner that asks its full ttl, and one that is told by message the shorter of ttl and waiterTtl', async () => {
        await granted(exclusive('a', { ttl: 20_000, waiterTtl: 5_000 }));
        expect((await inspect()).holders[0]?.remaining).to.be.within(5_001, 20_000);
        await placed(exclusive('b', { ttl: 20_000, waiterTtl: 5_000 }));
        await placed(exclusive('c', { ttl: 4_000, waiterTtl: 9_000 }));
        await release('a');
        expect((await inspect()).holders[0]?.remaining).to.be.within(1, 5_000);
        await release('b');
        expect((await inspect()).holders[0]?.remaining).to.be.within(1, 4_000);
      });
    });

    describe('an owner', () => {
      it('that asks again has its one lease, with the ttl afresh and the same fence', async () => {
        const fence = await granted(exclusive('a', { ttl: 5_000 }));
        expect(await granted(exclusive('a', { ttl: 20_000 }))).to.equal(fence);
        const { holders: now, fence: last } = await inspect();
        expect(now).to.have.length(1);
        expect(now[0]?.remaining).to.be.within(5_001, 20_000);
        expect(last).to.equal(fence);
      });

      it('that asks again for a shared lease takes no more permits', async () => {
        const fence = await granted(shared('a', 2, 3, { ttl: 5_000 }));
        expect(await granted(shared('a', 2, 3, { ttl: 20_000 }))).to.equal(fence);
        expect((await inspect()).holders[0]?.remaining).to.be.within(5_001, 20_000);
        expect((await attempt(shared('b', 1, 3))).granted).to.equal(true);
        expect((await attempt(shared('c', 1, 3))).granted).to.equal(false);
      });

      it('that asks again for more permits than it holds is refused, and for fewer keeps what it has', async () => {
        const fence = await granted(shared('a', 1, 3));
        await granted(shared('b', 2, 3));
        const error = await acquire(shared('a', 3, 3)).catch((caught: unknown) => caught);
        expect(error).to.be.instanceOf(OwnerConflictError).with.property('lock', name);
        expect(await granted(shared('a', 1, 3))).to.equal(fence);
        expect((await inspect()).holders.map(({ permits }) => permits).sort()).to.deep.equal([1, 2]);
        await granted(shared('b', 1, 3));
        expect((await attempt(shared('c', 1, 3))).granted).to.equal(false);
      });

      it('that asks again while others wait is not sent to the queue', async () => {
        const fence = await granted(exclusive('a'));
        await placed(exclusive('b'));
        expect(await granted(exclusive('a'))).to.equal(fence);
        expect(await waiting()).to.deep.equal(['b']);
      });

      it('that was handed the lock reads its grant when it asks, with the fence that was told', async () => {
        await granted(exclusive('a'));
        await placed(exclusive('b'));
        await release('a');
        expect(await granted(exclusive('b'))).to.equal((await inspect()).fence);
        expect((await inspect()).holders[0]?.remaining).to.be.within(5_001, 30_000);
      });

      it('is refused a lease in another mode, and keeps the one it has', async () => {
        const conflict = async (asked: Request): Promise<void> => {
          const error = await acquire(asked).catch((caught: unknown) => caught);
          expect(error).to.be.instanceOf(OwnerConflictError).with.property('lock', name);
        };
        await granted(exclusive('a'));
        await placed(shared('b'));
        await placed(exclusive('c'));
        const before = JSON.stringify([await holders(), await waiting()]);
        await conflict(shared('a'));
        await conflict(exclusive('b'));
        await conflict(shared('c'));
        expect(JSON.stringify([await holders(), await waiting()])).to.equal(before);
        await release('a');
        await conflict(exclusive('b'));
      });
    });

    describe('the fencing token', () => {
      it('rises with every grant: asked for, handed over, shared, after a lapse and after a break', async () => {
        const fences = [await granted(exclusive('a'))];
        await placed(shared('b'));
        await placed(shared('c'));
        await release('a');
        fences.push(await granted(shared('b')), await granted(shared('c')), await granted(shared('d')));
        await release(undefined);
        fences.push(await granted(exclusive('e', { ttl: 30 })));
        await until(async () => (await holders()).length === 0);
        fences.push(await granted(shared('f')));
        await release('f');
        fences.push(await granted(exclusive('a')));
        expect(fences).to.deep.equal([...new Set(fences)].sort((a, b) => a - b));
        expect((await inspect()).fence).to.equal(fences.at(-1));
        expect(fences.every(Number.isSafeInteger)).to.equal(true);
      });

      it('is unknown for a name that was never locked', async () => {
        expect(await inspect()).to.deep.equal({ name, holders: [], waiting: [], fence: undefined });
      });

      for (const [kind, of] of Object.entries({ exclusive, shared })) {
        it(`of a lease that is ${kind} can be raised, where it is the one that is told`, async () => {
          const own = await granted(of('a'));
          const fence = own + 5_000_000;
          const raise = (from: number | undefined, to: number): Promise<unknown> =>
            one(store.raise({ name, owner: 'a' }, from, to, WITHIN));
          const renew = (by: number): Promise<Renewal> => one(store.renew(of('a'), by, WITHIN));
          await raise(own + 1, fence + 1); // an earlier lease of its owner, or a later one
          expect(await renew(own)).to.equal('renewed');
          await raise(own, fence);
          expect((await inspect()).fence).to.equal(fence);
          expect([await renew(own), await renew(fence)]).to.deep.equal(['taken', 'renewed']);
          await raise(undefined, own);
          expect([await renew(fence), await renew(own)]).to.deep.equal(['taken', 'renewed']);
          expect((await inspect()).holders.map(({ owner }) => owner)).to.deep.equal(['a']);
          await release('a');
          expect(await granted(of('a'))).to.be.above(fence + 1);
        });
      }

      it('is above one that the clock was raised to', async () => {
        const raised = (await granted(exclusive('a'))) + 5_000_000;
        await release('a');
        expect(await one(store.raise({ name, owner: 'b' }, undefined, raised, WITHIN))).to.equal(true);
        expect(await one(store.raise({ name, owner: 'b' }, undefined, 1, WITHIN))).to.equal(true);
        const fence = await granted(exclusive('a'));
        expect(fence).to.be.above(raised);
        await release('a');
        expect(await granted(exclusive('a'))).to.be.above(fence);
      });

      it('rises over all names', async () => {
        const fences = [];
        for (const each of ['x', 'y', 'x']) {
          fences.push(await granted(request(`${name}/${each}`, 'a', {})));
          await one(store.release({ name: `${name}/${each}`, owner: 'a' }, WITHIN));
        }
        expect(fences).to.deep.equal([...fences].sort((a, b) => a - b));
      });

      it('comes with a denial, by which the message of an older grant is recognised', async () => {
        const fence = await granted(exclusive('a'));
        expect(await attempt(exclusive('b'))).to.deep.include({ granted: false, drawn: fence });
      });
    });

    describe('renewal', () => {
      it('gives the ttl afresh', async () => {
        for (const asked of [exclusive('a', { ttl: 5_000 }), shared('b', 1, 1, { ttl: 5_000 })]) {
          const fence = await granted(asked);
          expect(await renew({ ...asked, ttl: 20_000 }, fence)).to.equal('renewed');
          expect((await inspect()).holders[0]?.remaining).to.be.within(5_001, 20_000);
          await release(asked.owner);
        }
      });

      it('with a longer ttl than before holds for as long, whoever asks meanwhile', async () => {
        const times = { ttl: 20_000, waiterTtl: 5_000 };
        const fence = await granted(shared('a', 1, 2, times));
        expect(await renew(shared('a', 1, 2, { ...times, ttl: 60_000 }), fence)).to.equal('renewed');
        await granted(shared('b', 1, 2, times));
        await granted(shared('b', 1, 2, { ...times, ttl: 60_000 }));
        await attempt(shared('c', 1, 2, times));
        const { holders: held } = await inspect();
        expect(held.map(({ remaining }) => remaining > 50_000)).to.deep.equal([true, true]);
      });

      it('never revives a lease that has lapsed or was released', async () => {
        for (const asked of [exclusive('a', { ttl: 30 }), shared('b', 1, 1, { ttl: 30 })]) {
          const fence = await granted(asked);
          await until(async () => (await holders()).length === 0);
          expect(await renew(asked, fence)).to.equal('taken');
          const again = await granted(asked);
          await release(asked.owner);
          expect(await renew(asked, again)).to.equal('taken');
          expect(await holders()).to.deep.equal([]);
        }
      });

      it('answers taken once another owner was granted the lock, and leaves that owner alone', async () => {
        const fence = await granted(exclusive('a', { ttl: 30 }));
        await until(async () => (await attempt(exclusive('b'))).granted);
        expect(await renew(exclusive('a'), fence)).to.equal('taken');
        expect(await renew(exclusive('a'), fence, true)).to.equal('taken');
        expect(await holders()).to.deep.equal(['b']);
        await release('b');
        expect(await renew(exclusive('a'), fence)).to.equal('taken');
        expect(await inspect()).to.deep.include({ holders: [], fence: undefined });
      });

      it('of an earlier lease of the same owner answers taken, and leaves the later lease alone', async () => {
        for (const asked of [exclusive('a'), shared('a', 1, 1)]) {
          const earlier = await granted(asked);
          await release('a');
          const later = await granted(asked);
          const before = await inspect();
          expect(await renew({ ...asked, ttl: 1 }, earlier)).to.equal('taken');
          expect(await renew({ ...asked, ttl: 1 }, earlier, true)).to.equal('taken');
          expect((await inspect()).holders.map(({ mode }) => mode)).to.deep.equal(
            before.holders.map(({ mode }) => mode),
          );
          expect(await renew(asked, later)).to.equal('renewed');
          await release('a');
        }
      });

      it('makes no holder of a waiter', async () => {
        await granted(exclusive('a'));
        await placed(exclusive('b'));
        expect(await renew(exclusive('b'), 0)).to.equal('taken');
        expect(await holders()).to.deep.equal(['a']);
        expect(await waiting()).to.deep.equal(['b']);
      });
    });

    describe('release', () => {
      it("answers false for another's lease, and changes nothing", async () => {
        await granted(exclusive('a'));
        await placed(exclusive('b'));
        expect(await release('stranger')).to.deep.include({ held: false, grants: 0 });
        expect(await holders()).to.deep.equal(['a']);
        expect(await waiting()).to.deep.equal(['b']);
      });

      it('answers false for a lease that has lapsed and gone to another', async () => {
        await granted(shared('a', 1, 1, { ttl: 30 }));
        await until(async () => (await attempt(shared('b', 1, 1))).granted);
        expect(await release('a')).to.deep.include({ held: false });
        expect(await holders()).to.deep.equal(['b']);
      });

      it('answers true once', async () => {
        await granted(exclusive('a'));
        expect(await release('a')).to.deep.include({ held: true });
        expect(await release('a')).to.deep.include({ held: false });
      });

      it('with a fence releases that lease only, whatever the owner holds now', async () => {
        for (const asked of [exclusive('a'), shared('a', 2, 2)]) {
          const stale = await granted(asked);
          await release('a');
          const fence = await granted(asked);
          await placed({ ...asked, owner: 'b' });
          const before = await holders();
          expect(await one(store.release({ name, owner: 'a', fence: stale }, WITHIN))).to.deep.include({
            held: false,
            grants: 0,
          });
          expect(await one(store.release({ name, owner: 'b', fence }, WITHIN))).to.deep.include({ held: false });
          expect([await holders(), await waiting()]).to.deep.equal([before, ['b']]);
          expect(await one(store.release({ name, owner: 'a', fence }, WITHIN))).to.deep.include({
            held: true,
            grants: 1,
          });
          await release('b');
        }
      });

      it('takes a waiter out of the queue', async () => {
        await granted(exclusive('a'));
        await placed(exclusive('b'));
        await placed(exclusive('c'));
        expect(await release('b')).to.deep.include({ held: false, grants: 0 });
        await release('a');
        expect(await holders()).to.deep.equal(['c']);
      });

      it('frees as many permits as were taken', async () => {
        await granted(shared('a', 3, 3));
        await granted(shared('a', 1, 3));
        await release('a');
        expect((await attempt(shared('b', 3, 3))).granted).to.equal(true);
      });
    });

    describe('a lease that is held over', () => {
      const keep = (owner: string, ms: number): Promise<Released> =>
        one(store.release({ name, owner, keep: ms }, WITHIN));

      for (const mode of ['exclusive', 'shared'] as const) {
        const asked = (owner: string): Request => request(name, owner, { mode, permits: 1, limit: 1 });

        it(`is nobody's, and keeps the name until it lapses, where it was ${mode}`, async () => {
          const fence = await granted(asked('a'));
          await placed(asked('b'));
          const since = bench.now();
          expect(await keep('a', 2_000)).to.deep.include({ held: true, grants: 0 });
          const [holder] = (await inspect()).holders;
          expect(holder).to.deep.include({ owner: 'a', mode, over: true });
          expect(holder?.remaining).to.be.within(1, 2_000);
          expect(await renew(asked('a'), fence)).to.equal('taken');
          expect(await release('a')).to.deep.include({ held: false });
          expect((await attempt(asked('a'))).granted).to.equal(false);
          const answer = await acquire(asked('b'));
          expect(answer).to.deep.include({ granted: false, announced: true, rank: 0 });
          if (!answer.granted) expect(answer.wait).to.be.within(1, 2_000);
          await until(async () => (await acquire(asked('b'))).granted);
          expect(bench.now() - since).to.be.at.least(1_998);
          expect((await attempt(asked('a'))).granted).to.equal(false);
        });

        for (const [whose, by] of [
          ['the asking coordinator', () => store],
          ['another coordinator', () => other],
        ] as const) {
          it(`has the first waiter ask again, one of ${whose}, where it was ${mode}`, async () => {
            await granted(asked('a'));
            await placed(asked('b'), by());
            await placed(asked('c'), by());
            await keep('a', 60_000);
            await heard('b');
            expect(await waiting()).to.deep.equal(['b', 'c']);
            expect(told).to.not.include(`${name} c`);
          });
        }

        it(`is broken like any other, where it was ${mode}`, async () => {
          await granted(asked('a'));
          await placed(asked('b'));
          await keep('a', 60_000);
          expect(await release(undefined)).to.deep.include({ held: true, grants: 1 });
          expect(await holders()).to.deep.equal(['b']);
        });
      }
    });

    describe('downgrade', () => {
      it('turns an exclusive lease into a shared one, with its fence, and lets waiting readers in', async () => {
        const fence = await granted(exclusive('w'));
        await placed(shared('r1'));
        await placed(exclusive('w2'));
        await placed(shared('r2'));
        expect(await renew(exclusive('w'), fence, true)).to.equal('renewed');
        expect(await holders()).to.deep.equal(['r1', 'w']);
        expect(await waiting()).to.deep.equal(['w2', 'r2']);
        expect(await granted(shared('w'))).to.equal(fence);
        expect(await renew(shared('w'), fence)).to.equal('renewed');
        expect(await release('w')).to.deep.include({ held: true });
        expect(await release('r1')).to.deep.include({ grants: 1 });
        expect(await holders()).to.deep.equal(['w2']);
      });

      it('grants nothing to a waiter that has not been heard of for its waiterTtl', async () => {
        const fence = await granted(exclusive('w'));
        await placed(shared('dead', 1, 0, { waiterTtl: 40 }));
        await until(async () => (await waiting()).length === 0);
        expect(await renew(exclusive('w'), fence, true)).to.equal('renewed');
        expect(await holders()).to.deep.equal(['w']);
      });

      it('of a lease that is shared already is a renewal', async () => {
        const fence = await granted(shared('r', 2, 2));
        expect(await renew(shared('r', 2, 2), fence, true)).to.equal('renewed');
        expect((await inspect()).holders).to.have.length(1);
        await release('r');
        expect((await attempt(shared('b', 2, 2))).granted).to.equal(true);
      });
    });

    describe('a forced release', () => {
      it('breaks every lease, lets the next in, and tells the holders that theirs was taken', async () => {
        const fences = [await granted(shared('a')), await granted(shared('b'))];
        await placed(exclusive('c'));
        expect(await release(undefined)).to.deep.include({ held: true, grants: 1 });
        expect(await holders()).to.deep.equal(['c']);
        expect(await renew(shared('a'), fences[0] ?? 0)).to.equal('taken');
        expect(await release('b')).to.deep.include({ held: false });
      });

      it('answers taken also if nobody was granted the lock since', async () => {
        const fence = await granted(exclusive('a'));
        await release(undefined);
        expect(await renew(exclusive('a'), fence)).to.equal('taken');
        expect(await holders()).to.deep.equal([]);
      });

      it('counts the permits of the waiters that it grants', async () => {
        await granted(shared('a', 3, 4));
        await placed(shared('b', 3, 4));
        await release(undefined);
        expect(await holders()).to.deep.equal(['b']);
        expect((await attempt(shared('c', 3, 4))).granted).to.equal(false);
        expect((await attempt(shared('d', 1, 4))).granted).to.equal(true);
      });

      it('answers false where there is nothing to break', async () => {
        expect(await release(undefined)).to.deep.include({ held: false, grants: 0 });
      });
    });

    describe('what can be seen', () => {
      it('is who holds and who waits, with modes, permits and limits, in the order of the queue', async () => {
        await granted(shared('a', 2, 3));
        await placed(shared('b', 3, 3));
        await placed(exclusive('c'));
        const { holders: held, waiting: queued, fence } = await inspect();
        expect(held.map(({ remaining, ...rest }) => rest)).to.deep.equal([
          { owner: 'a', mode: 'shared', permits: 2, limit: 3 },
        ]);
        expect(queued.map(({ waited, ...rest }) => rest)).to.deep.equal([
          { owner: 'b', mode: 'shared', permits: 3, limit: 3 },
          { owner: 'c', mode: 'exclusive', permits: 1 },
        ]);
        expect(fence).to.be.a('number');
      });

      it('is, where so many suffice, the foremost claims beside an exclusive holder', async () => {
        const few = async (most: number): Promise<string[]> => {
          const seen = await one(store.inspect(name, WITHIN, most));
          return [...seen.holders, ...seen.waiting].map(({ owner }) => owner);
        };
        await granted(shared('gone', 1, 0, { ttl: 30 }));
        await granted(shared('a'));
        await granted(shared('b'));
        for (const owner of ['c', 'd']) await placed(exclusive(owner));
        await until(async () => (await holders()).length === 2);
        expect(await few(1)).to.have.lengthOf(1);
        expect(await few(3)).to.have.members(['a', 'b', 'c']);
        expect(await few(9)).to.have.members(['a', 'b', 'c', 'd']);
        for (const owner of ['a', 'b']) await release(owner);
        expect(await few(1)).to.deep.equal(['c', 'd']);
        await placed(exclusive('e'));
        expect(await few(1)).to.deep.equal(['c', 'd']);
      });

      it('is the names that are held or waited for, and match', async () => {
        const list = async (pattern: string): Promise<string[]> =>
          (await bench.ask(store.list(pattern, WITHIN))).sort();
        const made = ['held', 'left', 'dead', 'shared'].map((suffix) => `${name}/${suffix}`);
        const [held = '', left = '', dead = '', many = ''] = made;
        for (const each of [held, left]) await granted(request(each, 'a', {}));
        await granted(request(dead, 'a', { ttl: 30 }));
        await granted(request(many, 'a', { mode: 'shared' }));
        await placed(request(many, 'b', {}));
        await one(store.release({ name: left, owner: 'a' }, WITHIN));
        await until(async () => (await holders(dead)).length === 0);
        expect(await list(`${name}/*`)).to.deep.equal([held, many]);
        expect(await list(`${name}/h??d`)).to.deep.equal([held]);
        expect(await list(`${name}/none`)).to.deep.equal([]);
      });
    });

    it('keeps names apart that look like the keys of others', async () => {
      const bases = ['x', '{x}', 'a}b', 'a{b', '{}', '}{', '{}x', '{x', '~', '{a}{b}', '', 'ключ', '*', '\\'];
      const ends = [
        '',
        ':queue',
        ':fence',
        '~redisync:claims',
        '~redisync:specs',
        '~redisync.specs',
        '~redisync/claims',
        '~redisync:clock',
        '~',
      ];
      const odd = bases.flatMap((base) => ends.map((end) => base + end)).filter((each) => each !== '');
      const all = [...new Set([...odd, ...odd.map((each) => `{${each}}~redisync:claims`)])];
      for (const each of all) {
        await granted(request(each, `holder of ${each}`, {}));
        await placed(request(each, `waiter for ${each}`, { mode: 'shared' }));
      }
      for (const each of all) {
        expect(await holders(each)).to.deep.equal([`holder of ${each}`]);
        expect(await waiting(each)).to.deep.equal([`waiter for ${each}`]);
      }
      for (const each of all) await one(store.release({ name: each, owner: `holder of ${each}` }, WITHIN));
      for (const each of all) {
        expect(await holders(each)).to.deep.equal([`waiter for ${each}`]);
        expect(await one(store.release({ name: each, owner: `waiter for ${each}` }, WITHIN))).to.deep.include({
          held: true,
        });
      }
    });

    it('leaves nothing of a name when everyone has left or lapsed', async () => {
      const ours = async (): Promise<string[]> => (await bench.residue()).filter((left) => left.includes('residue'));
      const settled = `${name} residue left`;
      for (const mode of ['exclusive', 'shared'] as const) {
        await granted(request(settled, 'a', { mode }));
        await placed(request(settled, 'b', { mode: 'exclusive' }));
        await placed(request(settled, 'c', { mode: 'shared' }));
        await attempt(request(settled, 'd', {}));
        expect(await ours()).not.to.deep.equal([]);
        for (const owner of ['c', 'a', 'b']) await one(store.release({ name: settled, owner }, WITHIN));
        expect(await ours()).to.deep.equal([]);
      }
      const last = `${name} residue last`;
      await granted(request(last, 'a', { mode: 'shared' }));
      for (const owner of ['b', 'c']) await placed(request(last, owner, {}));
      for (const owner of ['a', 'c', 'b']) await one(store.release({ name: last, owner }, WITHIN));
      expect(await ours()).to.deep.equal([]);
      const lapsed = `${name} residue lapsed`;
      await granted(request(lapsed, 'a', { mode: 'shared', ttl: 30 }));
      await placed(request(lapsed, 'b', { waiterTtl: 30 }));
      await until(async () => (await ours()).length === 0);
    });
  });
