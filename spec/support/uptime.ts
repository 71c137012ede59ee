/** How long servers have been up. */
import type { Redis } from 'ioredis';
import { eventually } from './eventually.ts';

/** Resolves when each node is up for that many ms, so that it has a vote with a delayedRestart of as many. */
export const grown = (nodes: readonly Redis[], ms: number, within = ms + 60_000): Promise<void> =>
  eventually(
    `all nodes are up for ${ms} ms`,
    async () => {
      const infos = await Promise.all(nodes.map((node) => node.info('server')));
      return infos.every((info) => 1_000 * Number(/uptime_in_seconds:(\d+)/.exec(info)?.[1]) >= ms);
    },
    within,
  );
