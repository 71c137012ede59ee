/** What the memory does beside the contract: latency, outages, forgetting, and closing. */
import { expect } from 'chai';
import type { Observable } from 'rxjs';
import { CoordinatorClosedError, RedisUnreachableError } from '../../src/errors.ts';
import { Memory, MemoryStore } from '../../src/store/memory.ts';
import type { Inspection, Request } from '../../src/store/store.ts';
import { VirtualTime } from '../contract/virtual-time.ts';
import { CountingScheduler } from '../support/virtual.ts';

const request = (owner: string, more: Partial<Request> = {}): Request => ({
  name: 'x',
  owner,
  mode: 'exclusive',
  permits: 1,
  limit: 0,
  ttl: 10_000,
  waiterTtl: 10_000,
  ...more,
});

describe('The store in memory', () => {
  let time: VirtualTime;
  let scheduler: CountingScheduler;
  let memory: Memory;
  let store: MemoryStore;

  beforeEach(() => {
    time = new VirtualTime();
    scheduler = new CountingScheduler(time);
    memory = new Memory();
    store = new MemoryStore(memory, scheduler);
  });

  /** What a verb has said, as it comes. */
  const said = (verb: Observable<unknown>): unknown[] => {
    const log: unknown[] = [];
    verb.subscribe({
      next: (value) => log.push(value),
      error: (error) => log.push(error),
      complete: () => log.push('|'),
    });
    return log;
  };
  const seen = (): Inspection => {
    const usual = memory.latency;
    memory.latency = 0;
    const log = said(store.inspect('x', 100));
    time.pass(0);
    memory.latency = usual;
    return log[0] as Inspection;
  };

  it('does nothing until a verb is subscribed to', () => {
    store.acquire(request('a'), true, 100);
    time.pass(10);
    expect(memory.names.size).to.equal(0);
  });

  it('answers on the frame of the question, but not before the caller has returned', () => {
    const log = said(store.acquire(request('a'), true, 100));
    expect(log).to.deep.equal([]);
    time.pass(0);
    expect(log).to.deep.equal([{ granted: true, fence: 1 }, '|']);
  });

  it('answers, and tells of grants, after its latency', () => {
    memory.latency = 20;
    const told = said(store.grants$);
    said(store.acquire(request('a'), true, 100));
    said(store.acquire(request('b'), true, 100));
    time.pass(100);
    const log = said(store.release({ name: 'x', owner: 'a' }, 100));
    time.pass(19);
    expect([...log, ...told]).to.deep.equal([]);
    time.pass(1);
    expect(log).to.deep.equal([{ held: true, grants: 1, now: 100 }, '|']);
    expect(told).to.deep.equal([{ name: 'x', owner: 'b', fence: 100_000 }]);
  });

  it('fails a command that takes longer than its time, which has taken effect all the same', () => {
    memory.latency = 101;
    const log = said(store.acquire(request('a'), true, 100));
    time.pass(99);
    expect(log).to.deep.equal([]);
    time.pass(1);
    expect(log).to.have.length(1);
    expect(log[0]).to.be.instanceOf(RedisUnreachableError).with.property('notAfter', 0);
    expect(seen().holders).to.have.length(1);
  });

  it('lets nothing through in an outage, neither commands nor messages', () => {
    said(store.acquire(request('a'), true, 100));
    said(store.acquire(request('b', { mode: 'shared' }), true, 100));
    time.pass(0);
    const told = said(store.grants$);
    memory.latency = Infinity;
    const log = said(store.release({ name: 'x', owner: 'a' }, 100));
    time.pass(100);
    expect(log[0]).to.be.instanceOf(RedisUnreachableError);
    expect(seen().holders.map(({ owner }) => owner)).to.deep.equal(['a']);
    expect(told).to.deep.equal([]);
    expect(scheduler.pending).to.equal(0);
  });

  it('keeps nothing of a name after the last lease, and numbers that rise', () => {
    const first = said(store.acquire(request('a'), true, 100));
    said(store.release({ name: 'x', owner: 'a' }, 100));
    time.pass(0);
    expect(memory.names.size).to.equal(0);
    const second = said(store.acquire(request('a'), true, 100));
    time.pass(0);
    expect([first[0], second[0]]).to.deep.equal([
      { granted: true, fence: 1 },
      { granted: true, fence: 2 },
    ]);
  });

  it('keeps nothing of a name that was only looked at', () => {
    seen();
    said(store.renew(request('a'), 1, 100));
    said(store.release({ name: 'x', owner: 'a' }, 100));
    time.pass(0);
    expect(memory.names.size).to.equal(0);
  });

  it('when closed fails what is on its way and what comes later, completes the grants, and leaves nothing scheduled', () => {
    memory.latency = 50;
    const grants = said(store.grants$);
    said(store.acquire(request('a'), true, 100));
    said(store.acquire(request('b'), true, 100));
    const log = said(store.release({ name: 'x', owner: 'a' }, 100)); // b is granted, and would be told
    store.close();
    expect(log[0]).to.be.instanceOf(CoordinatorClosedError);
    expect(scheduler.pending).to.equal(0);
    expect(said(store.inspect('x', 100))[0]).to.be.instanceOf(CoordinatorClosedError);
    time.pass(1_000);
    expect(grants).to.deep.equal(['|']);
  });

  it('tells nobody who has closed', () => {
    const closed = new MemoryStore(memory, scheduler);
    said(store.acquire(request('a'), true, 100));
    said(closed.acquire(request('b'), true, 100));
    time.pass(0);
    closed.close();
    expect(said(store.release({ name: 'x', owner: 'a' }, 100))).to.deep.equal([]);
    time.pass(0);
    expect(seen()).to.deep.include({ holders: [] });
    expect(seen().waiting).to.have.length(1);
  });
});
