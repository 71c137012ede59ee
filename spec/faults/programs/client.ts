/** A client process that is told what to do and tells its history: a URL, or one of each node of a quorum, joined by commas; a label; options of its coordinator as JSON. */
import { Redis } from 'ioredis';
import type { Observable, Subscription } from 'rxjs';
import type { Lease, RedisyncError } from '../../../src/index.ts';
import { lived } from '../../support/lateness.ts';
import { now, Recorder } from '../recorder.ts';

const [urls = '', label = '', options = '{}'] = process.argv.slice(2);
const nodes = urls.split(',').map((url) => new Redis(url));
for (const node of nodes) node.on('error', () => undefined);
const [redis] = nodes;
if (!redis) throw new Error('A client needs a URL');
const say = (...words: unknown[]): void => void process.send?.(words);
const source = nodes.length > 1 ? nodes : redis;
const recorder = new Recorder(source, JSON.parse(options), label, (life) => say('life', life));
let lease: Lease | undefined;
let subscription: Subscription | undefined;
/** When the lease was granted or last renewed, by what this process has lived. */
let fresh = 0;
recorder.locks.events$.subscribe(({ type }) => {
  if (type === 'renewed') fresh = lived();
});

const codeOf = (act: () => void): string | undefined => {
  try {
    act();
    return undefined;
  } catch (error) {
    return (error as RedisyncError).code;
  }
};

/** Looks without ever letting a timer fire since the pause, then gives the lease back. */
const look = (): void => {
  if (!lease) return;
  const seen = [codeOf(() => lease?.assertHeld()), lease.held, lease.remaining()];
  say('looked', ...seen, lease.fence);
  void lease.release().then((released) => say('released', released));
};

const keep = (lock$: Observable<Lease>): void => {
  subscription = lock$.subscribe({
    next: (granted) => {
      lease = granted;
      fresh = lived();
      say('held', granted.fence);
    },
    error: (error: RedisyncError) => say('lost', error.code, lived() - fresh),
  });
};

const tasks = {
  /** Takes a mutex and keeps it. */
  hold(name: string): void {
    keep(recorder.mutex(name));
  },

  /** Takes a permit of a semaphore and keeps it. */
  share(name: string, limit: number): void {
    keep(recorder.semaphore(name, limit));
  },

  /** Keeps the event loop until the lease has had its time, whether or not the process is stopped meanwhile; then looks. */
  spin(): void {
    const until = now() + (lease?.remaining() ?? 0);
    process.send?.(['spinning'], () => {
      while (now() < until);
      look();
    });
  },

  /** Keeps the event loop for so many ms, then looks at the lease. */
  block(ms: number): void {
    const until = now() + ms;
    while (now() < until);
    look();
  },

  /** Moves the wall clock of this process, and looks at the lease. */
  shift(ms: number): void {
    const real = Date.now;
    Date.now = () => real() + ms;
    say('shifted', lease?.held);
  },

  async close(): Promise<void> {
    subscription?.unsubscribe();
    await recorder.locks.close();
    for (const node of nodes) node.disconnect();
    process.disconnect();
  },
};

process.on(
  'message',
  ([task, ...args]: [keyof typeof tasks, ...never[]]) => void tasks[task](...(args as [never, never])),
);
redis.once('ready', () => say('ready'));
