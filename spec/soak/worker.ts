/** A client process of the soak: asks for locks of all kinds in all ways until it is asked to stop. ARGV: URL, label, options as JSON. */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Redis } from 'ioredis';
import { type Observable, timeout } from 'rxjs';
import type { Lease, Options } from '../../src/index.ts';
import { now, Recorder } from '../faults/recorder.ts';
import { Draw } from './draw.ts';
import { STILL, TTL } from './terms.ts';

interface Settings extends Options {
  readonly seed: number;
  readonly actors: number;
}

const [url = '', label = '', json = '{}'] = process.argv.slice(2);
const { seed, actors, ...options } = JSON.parse(json) as Settings;
setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');
const say = (...words: unknown[]): void => void process.send?.(words);

const redis = new Redis(url);
redis.on('error', () => undefined);
const recorder = new Recorder(redis, options, label, (life) => say('life', life));
const draw = new Draw(seed);

/** Each turn of the register is judged by the parent: between its read and its write this process holds the lease. */
const turns = new Map<number, (accepted: boolean) => void>();
let turn = 0;
const count = async (lease: Lease, ms: number): Promise<void> => {
  turn += 1;
  const id = turn;
  const accepted = new Promise<boolean>((resolve) => turns.set(id, resolve));
  say('read', id, lease.name, lease.fence);
  if (ms > 0) await sleep(ms);
  say('write', id);
  await accepted;
};

/** What is done under a lease. */
const work = async (lease: Lease): Promise<void> => {
  const stay = draw.integer(0, 6);
  if (lease.mode === 'exclusive' && draw.integer(1, 3) > 1) await count(lease, stay);
  else if (stay > 0) await sleep(stay);
  if (draw.integer(1, 20) === 1) await lease.renew().catch(() => undefined);
};

type Manner = 'patient' | 'bounded' | 'fleeting' | 'once';

const one = (name: string, mode: 'exclusive' | 'shared', manner: Manner, permits = 1, limit = 0): Observable<Lease> =>
  recorder.lock({ name, mode, permits, limit }, {}, (lock) => (manner === 'once' ? lock.try() : lock));

const leases = (manner: Manner): Observable<Lease | readonly Lease[]> => {
  const die = draw.integer(1, 100);
  if (die <= 30) return one('hot', 'exclusive', manner);
  if (die <= 60) return one(`mutex ${draw.integer(1, 4)}`, 'exclusive', manner);
  if (die <= 75) return one('permits', 'shared', manner, draw.integer(1, 3), 5);
  if (die <= 85) return one('catalog', 'shared', manner);
  if (die <= 92) return one('catalog', 'exclusive', manner);
  return recorder.all(draw.shuffled(['mutex 1', 'mutex 2', 'mutex 3']).slice(0, 2));
};

/** An error that is no part of a lock's life: what the parent makes of it depends on what was wrong then. */
const complain = (manner: string, error: unknown): void => {
  const { code, message, name } = error as { code?: string; message?: string; name?: string };
  if (code !== 'LOCK_LOST' && name !== 'TimeoutError') say('error', now(), manner, code ?? name, message);
};

/** Subscribes until it is over, or for so many ms. */
const live = (lock$: Observable<Lease | readonly Lease[]>, manner: Manner, most?: number): Promise<void> =>
  new Promise((resolve) => {
    const subscription = lock$.subscribe({
      next: async (granted) => {
        const held = [granted].flat() as Lease[];
        for (const lease of held) await work(lease);
        if (draw.integer(1, 2) === 1) await Promise.all(held.map((lease) => lease.release()));
        subscription.unsubscribe();
        resolve();
      },
      error: (error) => {
        complain(manner, error);
        resolve();
      },
      complete: resolve,
    });
    if (most !== undefined)
      setTimeout(() => {
        subscription.unsubscribe();
        resolve();
      }, most);
  });

const act = (): Promise<void> => {
  const manner = draw.one<Manner>(['patient', 'patient', 'patient', 'bounded', 'fleeting', 'once']);
  if (manner === 'bounded') return live(leases(manner).pipe(timeout({ first: draw.integer(5, 300) })), manner);
  return live(leases(manner), manner, manner === 'fleeting' ? draw.integer(1, 30) : undefined);
};

/** Leads, or stands for it, and now and then holds a lock for longer than its ttl. */
const stand = async (): Promise<void> => {
  if (draw.integer(1, 2) === 1) {
    const campaign = recorder.leadership('leader').subscribe({ error: (error) => complain('leader', error) });
    await sleep(draw.integer(50, 2 * TTL));
    campaign.unsubscribe();
    return;
  }
  const lasting = one('lasting', 'exclusive', 'patient').subscribe({ error: (error) => complain('patient', error) });
  await sleep(draw.integer(TTL, 2 * TTL));
  lasting.unsubscribe();
};

let working = false;
const loops = new Set<Promise<void>>();
const loop = (deed: () => Promise<void>): void => {
  const running = (async (): Promise<void> => {
    while (working) {
      await deed();
      await sleep(draw.integer(0, 40));
    }
  })();
  loops.add(running);
  void running.finally(() => loops.delete(running));
};

/** How far apart two looks at the clock are: a process that stands still can keep no promise in time. */
let looked = now();
const watch = setInterval(() => {
  const since = looked;
  looked = now();
  if (looked - since > STILL) say('still', since, looked);
}, 50);

const tasks = {
  work(): void {
    working = true;
    for (let i = 0; i < actors; i += 1) loop(act);
    loop(stand);
  },

  /** Ends all that is going on, and says how much memory is in use then. */
  async rest(): Promise<void> {
    working = false;
    await Promise.all(loops);
    await sleep(500); // the last of the releases
    collect();
    say('rested', process.memoryUsage().heapUsed);
  },

  wrote(id: number, accepted: boolean): void {
    turns.get(id)?.(accepted);
    turns.delete(id);
  },

  /** Keeps the event loop for so many ms. */
  busy(ms: number): void {
    const until = now() + ms;
    while (now() < until);
    say('idle');
  },

  /** Moves the wall clock of this process. */
  shift(ms: number): void {
    const real = Date.now;
    Date.now = () => real() + ms;
  },

  async close(): Promise<void> {
    working = false;
    clearInterval(watch);
    await recorder.locks.close();
    redis.disconnect();
    process.disconnect();
  },
};

process.on('unhandledRejection', (reason) => say('rejection', String(reason)));
process.on(
  'message',
  ([task, ...args]: [keyof typeof tasks, ...never[]]) => void tasks[task](...(args as [never, never])),
);
redis.once('ready', () => say('ready'));
