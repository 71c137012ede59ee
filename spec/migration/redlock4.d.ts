/** redlock 4 has no declarations of its own: what is used here. */
declare module 'redlock4' {
  import type { EventEmitter } from 'node:events';
  import type { Redis } from 'ioredis';

  interface Lock {
    unlock(): Promise<void>;
    extend(ttl: number): Promise<Lock>;
  }

  export default class Redlock extends EventEmitter {
    constructor(clients: readonly Redis[], options?: { readonly retryCount?: number; readonly retryDelay?: number });
    lock(resource: string | readonly string[], ttl: number): Promise<Lock>;
  }
}
