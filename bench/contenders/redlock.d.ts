/** Declares what is used here of redlock: its own declarations are not among its exports, so no import finds them. */
declare module 'redlock' {
  import type { EventEmitter } from 'node:events';
  import type { Redis } from 'ioredis';

  export default class Redlock extends EventEmitter {
    constructor(
      clients: Iterable<Redis>,
      settings?: { readonly retryCount?: number; readonly retryDelay?: number; readonly retryJitter?: number },
    );
    acquire(resources: string[], duration: number): Promise<{ release(): Promise<unknown> }>;
  }
}
