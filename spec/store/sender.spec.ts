/** What becomes of the calls of a batch when its command fails, or its reply cannot be read: sent again only where nothing was done. */
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { asyncScheduler, Subscriber } from 'rxjs';
import { clockOf } from '../../src/clock.ts';
import { CoordinatorClosedError } from '../../src/errors.ts';
import { lease } from '../../src/lua/scripts.ts';
import type { Call, Command, Hear } from '../../src/store/call.ts';
import type { Driver } from '../../src/store/driver.ts';
import { Liveness } from '../../src/store/liveness.ts';
import { Pending } from '../../src/store/pending.ts';
import { Sender } from '../../src/store/sender.ts';
import { eventually } from '../support/eventually.ts';

const CROSSSLOT = "CROSSSLOT Keys in request don't hash to the same slot";
const CLOSED = 'Connection is closed.';

type Reply = () => Promise<unknown>;

const fails = (message: string) => () => Promise.reject(new Error(message));
const nothing = (): void => undefined;
const replies = (reply: unknown) => () => Promise.resolve(reply);

describe('Sender', () => {
  /** The keys of each command that was sent. */
  let sent: string[][];
  let told: Record<string, unknown>;
  let pending: Pending;
  let sender: Sender;
  const clock = clockOf(asyncScheduler);

  /** A sender to a node that gives these replies, one to each command; and the reply of the last to all after it. */
  const begin = (...given: Reply[]): void => {
    sent = [];
    told = {};
    const node: Driver = new Redis({ lazyConnect: true });
    node.evalsha = (_sha, keys, ...values) => {
      sent.push(values.slice(0, keys).map(String));
      return (given.length > 1 ? given.shift() : given[0])?.() ?? Promise.resolve();
    };
    pending = new Pending(asyncScheduler, clock, () => undefined);
    sender = new Sender(node, pending, new Liveness(clock), asyncScheduler, clock, nothing, nothing);
  };

  afterEach(() => pending.close(() => new CoordinatorClosedError()));

  const send = (names: string, hear: Hear<unknown> = (value) => value): void => {
    for (const name of names) {
      const command: Command<unknown> = {
        script: lease,
        keys: [name],
        clock: (ofSlot) => (ofSlot ? `clock of ${name}` : 'clock'),
        args: () => [],
        read: (reply) => {
          if (reply === 'garbage') throw new TypeError('This is not an answer');
          return { value: reply };
        },
      };
      const outcome = new Subscriber<unknown>({
        next: (value: unknown) => {
          told[name] = value;
        },
        error: (error: Error) => {
          told[name] = error.cause instanceof Error ? error.cause.message : error.message;
        },
        complete: () => undefined,
      });
      const call: Call = {
        command,
        hear,
        outcome,
        within: 60_000,
        deadline: clock.now() + 60_000,
        sentAt: undefined,
        notAfter: undefined,
        node: undefined,
        index: undefined,
      };
      pending.add(call);
      sender.send(call);
    }
  };
  const all = (names: string): Promise<void> =>
    eventually('every call has an outcome', () => [...names].every((name) => name in told));

  it('sends the calls of a batch apart when its keys are in several slots', async () => {
    begin(fails(CROSSSLOT), replies([17, 'a']), replies([17, 'b']));
    send('ab');
    await all('ab');
    assert.deepEqual(sent, [
      ['clock', 'a', 'b'],
      ['clock of a', 'a'],
      ['clock of b', 'b'],
    ]);
    assert.deepEqual(told, { a: 'a', b: 'b' });
  });

  it('sends a call again whose own slot is not that of the clock, but no more than once', async () => {
    begin(fails(CROSSSLOT));
    send('a');
    await all('a');
    assert.deepEqual(sent, [
      ['clock', 'a'],
      ['clock of a', 'a'],
    ]);
    assert.deepEqual(told, { a: CROSSSLOT });
  });

  it('sends no call of a batch again that failed otherwise, also after a CROSSSLOT', async () => {
    let lose: () => void = () => undefined;
    const lost = new Promise<unknown>((_, reject) => {
      lose = () => reject(new Error(CLOSED));
    });
    begin(() => lost, fails(CROSSSLOT), replies([17, 'done']));
    send('ab'); // in flight when the sender learns of the slots
    await eventually('the first batch is sent', () => sent.length === 1);
    send('cd');
    await all('cd');
    lose();
    await all('ab');
    assert.deepEqual(told, { a: CLOSED, b: CLOSED, c: 'done', d: 'done' });
    assert.lengthOf(sent, 4);
  });

  it('fails only the calls whose answers cannot be read or heard, and sends none again', async () => {
    begin(replies([17, 'first', 'garbage', 'bug', 'last']));
    send('abcd', (value) => {
      if (value === 'bug') throw new Error('This is a bug');
      return value;
    });
    await all('abcd');
    assert.deepEqual(told, { a: 'first', b: 'This is not an answer', c: 'This is a bug', d: 'last' });
    assert.lengthOf(sent, 1);
  });

  it('fails all calls of a batch whose reply is none', async () => {
    begin(replies(undefined));
    send('ab');
    await all('ab');
    const error = 'The reply has not one answer for each call';
    assert.deepEqual(told, { a: error, b: error });
    assert.lengthOf(sent, 1);
  });
});
