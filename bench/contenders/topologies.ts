/** redisync where Redis is more than one server. A url is of as many as there are, with commas between. */
import { Cluster, Redis } from 'ioredis';
import type { Client, Contender } from './contender.ts';
import { byPromises, type Coordinator, load } from './ours.ts';

const SENDS = { eval: 1, evalsha: 1 };

const client = (locks: Coordinator, disconnect: () => void): Client => ({
  ...byPromises(locks),
  close: () => locks.close().then(disconnect),
});

/** Its nodes have just been started: they have a vote at once. */
export const quorum: Contender = {
  name: 'redisync, quorum',
  sends: SENDS,
  open: async (url, ttl) => {
    const { LockCoordinator } = await load();
    const nodes = url.split(',').map((one) => new Redis(one));
    return client(new LockCoordinator(nodes, { ttl, delayedRestart: 0 }), () => {
      for (const node of nodes) node.disconnect();
    });
  },
};

export const cluster: Contender = {
  name: 'redisync, Cluster',
  sends: SENDS,
  open: async (url, ttl) => {
    const { LockCoordinator } = await load();
    const nodes = new Cluster(url.split(','));
    return client(new LockCoordinator(nodes, { ttl }), () => nodes.disconnect());
  },
};
