/** What the caller has, or one like it of our own: a connection to one server, or a Cluster; and which node of it a key belongs to. */
import type { Cluster, Redis } from 'ioredis';
import type { Driver } from './driver.ts';
import { slotOf } from './slot.ts';

export type Client = Driver | Cluster;

export const isCluster = (client: Client): client is Cluster => client.isCluster;

/** host:port, as ioredis keys the nodes of a Cluster. */
export const placeOf = ({ options }: Driver): string => `${options.host}:${options.port}`;

/**
 * The connection on which to ask about a key: of a Cluster, the one to the master of its slot, if one is known. We ask
 * that node ourselves, so that what is learnt of a server, and WAIT, are about the server that was asked.
 */
export const nodeFor = (client: Client, key: string): Driver | undefined =>
  isCluster(client) ? masterIn(client, key) : client;

export const masterIn = (cluster: Cluster, key: string): Redis | undefined => {
  const [place] = cluster.slots[slotOf(key)] ?? [];
  return masterAt(cluster, place);
};

export const masterAt = (cluster: Cluster, place: string | undefined): Redis | undefined =>
  cluster.nodes('master').find((node) => placeOf(node) === place);
