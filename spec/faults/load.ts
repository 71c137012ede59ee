/** Work under a lock, by several clients in turn, for as long as a fault is made at its server. */
import { setTimeout as sleep } from 'node:timers/promises';
import { acquired, type Recorder } from './recorder.ts';
import type { Site } from './site.ts';

/** Clients that work under the lock, again and again, until they are told to stop; every error is kept. */
export const load = (site: Site, name: string, clients: readonly Recorder[]) => {
  let stopped = false;
  const errors: unknown[] = [];
  const done = clients.map(async (client) => {
    while (!stopped) {
      try {
        const lease = await acquired(client.mutex(name));
        await site.register.turn(lease, () => sleep(2));
        await lease.release();
      } catch (error) {
        errors.push(error);
      }
    }
  });
  return {
    errors,
    stop: async (): Promise<void> => {
      stopped = true;
      await Promise.all(done);
    },
  };
};
