/** A client, the caller's or ours: a connection to one server, or a Cluster. And which node of a Cluster a key belongs to. */
import type { Cluster, Redis } from 'ioredis';
import type { Driver } from './driver.ts';
import { slotOf } from './slot.ts';

export type Client = Driver | Cluster;

export const isCluster = (client: Client): client is Cluster => client.isCluster;

/** The prefix of keys. ioredis takes a Buffer as well, whatever its types say. */
export const prefixOf = ({ options }: Client): string => String(options.keyPrefix ?? '');

/** host:port, as ioredis keys the nodes of a Cluster. */
export const addressOf = ({ options }: Driver): string => `${options.host}:${options.port}`;

/**
 * The connection for a command about a key; in a Cluster that to the master of the key's slot, if it is known. Commands
 * go to a node and not to the Cluster, so that what is learnt of a server, and WAIT, concern the server that was asked.
 */
export const nodeFor = (client: Client, key: string): Driver | undefined =>
  isCluster(client) ? masterIn(client, key) : client;

export const masterIn = (cluster: Cluster, key: string): Redis | undefined => {
  const [address] = cluster.slots[slotOf(key)] ?? [];
  return masterAt(cluster, address);
};

export const masterAt = (cluster: Cluster, address: string | undefined): Redis | undefined =>
  cluster.nodes('master').find((node) => addressOf(node) === address);
