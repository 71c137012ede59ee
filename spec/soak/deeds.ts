/** What each fault of a soak is. */
import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../faults/recorder.ts';
import { hears } from '../faults/site.ts';
import type { TcpProxy } from '../support/proxy.ts';
import type { Arena, Client } from './arena.ts';
import type { Kind } from './schedule.ts';

const HOUR = 3_600_000;

/** Makes a fault of so many ms. Resolves, when it is over, with the clients that were hit, unless all were. */
type Deed = (arena: Arena, ms: number, whom: number) => Promise<readonly Client[] | undefined>;

/** To the server, which is everyone's. */
const server =
  (deed: (arena: Arena, ms: number) => Promise<unknown>): Deed =>
  async (arena, ms) => {
    await deed(arena, ms);
    return undefined;
  };

/** To the network of those behind the proxy, from `begin` to `end`. */
const network =
  (begin: (proxy: TcpProxy) => void, end: (proxy: TcpProxy) => void = () => undefined): Deed =>
  async ({ site, clients }, ms) => {
    begin(site.proxy);
    await sleep(ms);
    end(site.proxy);
    return clients.filter(({ proxied }) => proxied);
  };

/** Again and again, for so many ms. */
const again = async (ms: number, deed: () => Promise<unknown>): Promise<void> => {
  const until = now() + ms;
  do {
    await deed();
    await sleep(20);
  } while (now() < until);
};

const stopped = server(async ({ site }, ms) => {
  site.server.process?.kill('SIGSTOP');
  await sleep(ms);
  site.server.process?.kill('SIGCONT');
});

const disconnected = (type: 'NORMAL' | 'PUBSUB'): Deed =>
  server(({ site }, ms) => again(ms, () => site.redis.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'YES')));

export const DEEDS: Readonly<Record<Kind, Deed>> = {
  'client killed': async (arena, _, whom) => {
    const client = arena.victim(whom, true);
    await arena.replace(client);
    return [client];
  },
  'client stopped': async (arena, ms, whom) => {
    const client = arena.victim(whom);
    client.child.process.kill('SIGSTOP');
    await sleep(ms);
    client.child.process.kill('SIGCONT');
    return [client];
  },
  'client busy': async (arena, ms, whom) => {
    const client = arena.victim(whom);
    client.child.said.length = 0;
    client.child.tell('busy', ms);
    await hears(client.child, 'idle');
    return [client];
  },
  'client clock stepped': async (arena, ms, whom) => {
    const client = arena.victim(whom);
    client.child.tell('shift', HOUR);
    await sleep(ms);
    client.child.tell('shift', -HOUR);
    return [client];
  },
  'server stopped': stopped,
  'server stopped beyond the ttl': stopped,
  'server killed, back with its data': server((arena, ms) => arena.restart(ms)),
  'server killed, back empty': server((arena, ms) => arena.restart(ms, true)),
  'everything flushed': server(({ site }) => site.redis.flushall()),
  'scripts flushed': server(({ site }, ms) => again(ms, () => site.redis.script('FLUSH'))),
  'connections killed': disconnected('NORMAL'),
  'subscribers killed': disconnected('PUBSUB'),
  'clients paused': server(async ({ site }, ms) => {
    await site.redis.client('PAUSE', ms);
    await sleep(ms);
  }),
  'network cut': network((proxy) => proxy.cut()),
  'network down': network(
    (proxy) => proxy.down(),
    (proxy) => proxy.up(),
  ),
  'network half-open': network(
    (proxy) => {
      proxy.silent = true;
    },
    (proxy) => {
      proxy.silent = false;
      proxy.cut();
    },
  ),
  'network frozen': network(
    (proxy) => proxy.freeze(),
    (proxy) => proxy.thaw(),
  ),
  'network slow': network(
    (proxy) => {
      proxy.delay = 25;
    },
    (proxy) => {
      proxy.delay = 0;
    },
  ),
  'frames out of order': network(
    (proxy) => {
      proxy.jitter = 30;
    },
    (proxy) => {
      proxy.jitter = 0;
    },
  ),
  'frames split': network(
    (proxy) => {
      proxy.split = 64;
    },
    (proxy) => {
      proxy.split = 0;
    },
  ),
};
