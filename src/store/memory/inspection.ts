/** What `inspect` says of a name in memory: who holds it, and who waits. */
import type { Claim, Inspection, Request } from '../store.ts';
import { exclusiveOf, inOrder, type Name } from './name.ts';

/** @param most how many of the foremost claims, beside the exclusive holder */
export const inspectionOf = (name: string, at: Name, now: number, most = Number.POSITIVE_INFINITY): Inspection => ({
  name,
  holders: [...at.holders.values()].slice(0, most).map((holder) => ({
    ...claimOf(holder),
    remaining: holder.due - now,
    ...(holder.over && { over: true as const }),
  })),
  waiting: inOrder(at)
    .slice(0, Math.max(0, most - (exclusiveOf(at) ? 0 : at.holders.size)))
    .map((waiter) => ({
      ...claimOf(waiter),
      waited: Math.max(0, Math.round(now - waiter.ticket / 1_000)),
    })),
  fence: Math.max(0, ...[...at.holders.values()].map(({ fence }) => fence)) || undefined,
});

const claimOf = ({ owner, mode, permits, limit }: Request): Claim => ({
  owner,
  mode,
  permits,
  ...(mode === 'shared' && limit > 0 && { limit }),
});
