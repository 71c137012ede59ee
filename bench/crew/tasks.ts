/** The tasks of a process of the crew. The loops are the same for every contender. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Redis } from 'ioredis';
import { contenderNamed } from '../contenders/all.ts';
import { type Client, type Kept, sleep, TTL, type Work } from '../contenders/contender.ts';
import { now } from './clock.ts';

let client: Client | undefined;
let probe: Redis | undefined;
const kept: Promise<Kept>[] = [];
const gates: (() => void)[] = [];
const turnsTaken: Promise<unknown>[] = [];

/** ms between two looks at the event loop. Longer would miss stalls, shorter would take CPU time that is measured. */
const LOOK = 10;
const delays = monitorEventLoopDelay({ resolution: LOOK });

const opened = (): Client => {
  if (!client) throw new Error('Nothing is open');
  return client;
};

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

const inLanes = (lanes: number, lane: (index: number) => Promise<void>): Promise<unknown> =>
  Promise.all(range(0, lanes).map(lane));

const nothing: Work = () => undefined;

/** How long something took, and what it cost this process. */
const measured = async (act: () => Promise<unknown>): Promise<{ ms: number; cpu: number }> => {
  const before = process.cpuUsage();
  const since = now();
  await act();
  const { user, system } = process.cpuUsage(before);
  return { ms: now() - since, cpu: (user + system) / 1e3 };
};

const collect = (): void => {
  if (!globalThis.gc) throw new Error('Processes of the crew run with --expose-gc');
  for (let i = 0; i < 4; i += 1) globalThis.gc();
};

export const tasks = {
  open: async (contender: string, url: string, ttl = TTL): Promise<void> => {
    await client?.close();
    probe?.disconnect();
    client = await contenderNamed(contender).open(url, ttl);
    probe = new Redis(url.split(',')[0] ?? url); // of several servers, the first
    await probe.ping();
  },

  close: async (): Promise<void> => {
    await client?.close();
    client = undefined;
  },

  /** Each lane locks a name of its own, again and again: nobody waits. */
  alone: (prefix: string, names: number, turns: number) =>
    measured(() =>
      inLanes(names, async (lane) => {
        for (let i = 0; i < turns / names; i += 1) await opened().use(`${prefix}:${lane}`, nothing);
      }),
    ),

  /** Locks names at random; lanes have shares of their own, so that nobody waits. */
  roam: (prefix: string, names: number, lanes: number, turns: number) =>
    measured(() =>
      inLanes(lanes, async (lane) => {
        for (let i = 0; i < turns / lanes; i += 1) {
          const share = Math.floor(names / lanes);
          await opened().use(`${prefix}:${lane + lanes * Math.floor(share * Math.random())}`, nothing);
        }
      }),
    ),

  /** Many waiters on one name from an instant on. Each turn is three numbers: when it was asked for, granted and released. */
  contend: async (name: string, waiters: number, from: number, ms: number, work: number) => {
    const turns: number[] = [];
    await sleep(from - now());
    const end = from + ms;
    const waiter = async (): Promise<void> => {
      for (let asked = now(); asked < end; asked = now()) {
        const turn: Work = () => {
          const got = now();
          if (work > 0) return sleep(work).then(() => void turns.push(asked, got, now()));
          turns.push(asked, got, got);
          return undefined;
        };
        await opened().use(name, turn);
      }
    };
    const { cpu } = await measured(() => inLanes(waiters, waiter));
    return { turns: Float64Array.from(turns), cpu };
  },

  /** The same work with no lock: how many turns in `ms`. */
  plain: async (ms: number, work: number): Promise<number> => {
    let turns = 0;
    for (const end = now() + ms; now() < end; turns += 1) await sleep(work);
    return turns;
  },

  /** Takes a turn that lasts until `letGo`; resolves with the time of its grant. */
  take: (name: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const turn: Work = () => {
        resolve(now());
        return new Promise((open) => gates.push(open));
      };
      const taken = opened().use(name, turn);
      turnsTaken.push(taken);
      taken.catch(reject);
    }),

  /** Resolves with when the release was begun. */
  letGo: async (): Promise<number> => {
    const at = now();
    gates.shift()?.();
    await turnsTaken.shift();
    return at;
  },

  ping: async (): Promise<number> => {
    const since = now();
    await probe?.ping();
    return now() - since;
  },

  /** Takes and keeps locks on as many names, spread over those that there are. */
  keep: (prefix: string, names: number, among = names) =>
    measured(async () => {
      const stride = Math.floor(among / names);
      const first = Math.floor(stride * Math.random());
      for (const i of range(0, names)) {
        kept.push(Promise.resolve(opened().keep?.(`${prefix}:${first + i * stride}`)).then(orNone));
      }
      await Promise.all(kept);
    }),

  /** Waits for one name, as many times as that, and does not wait for it. */
  queue: async (name: string, waiters: number): Promise<void> => {
    for (let i = 0; i < waiters; i += 1)
      opened()
        .keep?.(name)
        .catch(() => undefined);
  },

  /** ms from asking to the lease, so many times, one after another, with a rest between. */
  grants: async (name: string, count: number): Promise<number[]> => {
    const took: number[] = [];
    for (let i = 0; i < count; i += 1) {
      const since = now();
      const lease = orNone(await opened().keep?.(name));
      took.push(now() - since);
      await lease.release();
      await sleep(5 * Math.random());
    }
    return took;
  },

  renew: () => measured(async () => Promise.all((await Promise.all(kept)).map((lease) => lease.renew?.()))),

  release: () => measured(async () => Promise.all((await Promise.all(kept.splice(0))).map((lease) => lease.release()))),

  /** Bytes of the heap, after it was swept. */
  heap: async (): Promise<number> => {
    collect();
    await sleep(10);
    collect();
    return process.memoryUsage().heapUsed;
  },

  /** Rests for a while: ms of CPU that it cost, and the longest stall of the event loop, in ms. */
  rest: async (ms: number): Promise<{ ms: number; cpu: number; stall: number }> => {
    delays.reset();
    delays.enable();
    const cost = await measured(() => sleep(ms));
    delays.disable();
    return { ...cost, stall: Math.max(0, delays.max / 1e6 - LOOK) };
  },
};

const orNone = (lease: Kept | undefined): Kept => {
  if (!lease) throw new Error('This contender keeps no lock');
  return lease;
};

export type Tasks = typeof tasks;
export type Task = keyof Tasks;
