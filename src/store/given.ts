/** What a coordinator may be given. These are types of our own, so that who has one library needs no types of the other. */
import type { NodeRedis } from './node-redis-client.ts';

/** As much of ioredis's Redis and Cluster as tells them from others. */
interface Ioredis {
  readonly isCluster: boolean;
  readonly status: string;
  duplicate(): unknown;
  disconnect(): void;
}

/** A client of ioredis, single, behind Sentinels or of a Cluster; or one of node-redis. */
export type Source = Ioredis | NodeRedis;
