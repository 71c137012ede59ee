/** What the server reports of a run: how many commands it was sent, and how long they took. */
import type { Redis } from 'ioredis';

export interface Served {
  /** Calls, and µs in all, by command. */
  readonly [command: string]: { readonly calls: number; readonly usec: number };
}

/** Counts the commands that an action causes. Nothing else may use the server meanwhile. */
export const served = async <T>(admin: Redis, act: () => Promise<T>): Promise<[result: T, served: Served]> => {
  await admin.config('RESETSTAT');
  const result = await act();
  const info = await admin.info('commandstats');
  const lines = info.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/gm);
  return [
    result,
    Object.fromEntries([...lines].map(([, name, calls, usec]) => [name, { calls: Number(calls), usec: Number(usec) }])),
  ];
};

/** How many commands the clients themselves sent, and how many µs the server took for them. */
export const sent = (
  stats: Served,
  sends: Readonly<Record<string, number>>,
): { readonly commands: number; readonly usec: number } => {
  let commands = 0;
  let usec = 0;
  for (const [command, share] of Object.entries(sends)) {
    commands += share * (stats[command]?.calls ?? 0);
    usec += share * (stats[command]?.usec ?? 0);
  }
  return { commands, usec };
};
