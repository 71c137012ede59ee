/** Work under a lock, by several clients in turn, for as long as a fault is made at its server. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LockLostError } from '../../src/index.ts';
import { acquired, type Recorder } from './recorder.ts';
import type { Site } from './site.ts';

/** Does this again and again until it is over, and keeps every error. Any but a loss ends it, as that of the closed coordinator of a spec that has failed. */
export const again = async (deed: () => Promise<void>, over: () => boolean, errors: unknown[]): Promise<void> => {
  while (!over()) {
    try {
      await deed();
    } catch (error) {
      errors.push(error);
      if (!(error instanceof LockLostError)) return;
    }
  }
};

/** Clients that work under the lock, again and again, until they are told to stop; every error is kept. */
export const load = (site: Site, name: string, clients: readonly Recorder[]) => {
  let stopped = false;
  const errors: unknown[] = [];
  const done = clients.map((client) => {
    const turn = async (): Promise<void> => {
      const lease = await acquired(client.mutex(name));
      await site.register.turn(lease, () => sleep(2));
      await lease.release();
    };
    return again(turn, () => stopped, errors);
  });
  return {
    errors,
    stop: async (): Promise<void> => {
      stopped = true;
      await Promise.all(done);
    },
  };
};
