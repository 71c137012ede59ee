/** Reads the replies of the scripts, as their headers document them. */
import type { Read, Reply } from './call.ts';
import type { Answer, Claim, Inspection, Released, Renewal } from './store.ts';

const LATE = -1;

/** Undefined: the call came after its not-after, or the server's time was not known when it was sent. It is known now, so the call is sent again. */
export const readAcquire = (reply: unknown): Read<Answer> | undefined => {
  if (reply === LATE) return undefined;
  if (typeof reply === 'string') return { value: { granted: true, fence: Number(reply) } };
  const told = reply as Reply;
  const [first, rank, silent, drawn, ticket, ...grants] = told;
  if (typeof first === 'string') return { value: { granted: true, fence: Number(first) }, grants: told.slice(1) };
  return {
    value: {
      granted: false,
      wait: Number(first),
      rank: Number(rank),
      foremost: false, // the store knows that
      announced: silent !== 1,
      drawn: Number(drawn),
      ticket: Number(ticket),
    },
    grants,
  };
};

export const readRenewal = (reply: unknown): Read<Renewal> | undefined => {
  if (reply === LATE) return undefined;
  const [renewed, ...grants] = typeof reply === 'number' ? [reply] : (reply as Reply);
  return { value: renewed === 1 ? 'renewed' : 'taken', grants };
};

export const readRelease = (reply: unknown, now: number): Read<Released> | undefined => {
  if (reply === LATE) return undefined;
  if (typeof reply === 'number') return { value: { held: reply === 1, grants: 0, now } };
  const [held, count, ...grants] = reply as Reply;
  return { value: { held: held === 1, grants: Number(count), now }, grants };
};

export const readInspection = (name: string, reply: unknown): Inspection => {
  const [holders, waiting] = reply as Reply;
  const held = rowsOf(holders, 7);
  const fences = held.map(([, , , , , fence]) => Number(fence));
  return {
    name,
    holders: held.map(([owner, mode, permits, limit, remaining, , over]) => ({
      ...claimOf(owner, mode, permits, limit),
      remaining: Number(remaining),
      ...(over === 1 && { over: true as const }),
    })),
    waiting: rowsOf(waiting, 5).map(([owner, mode, permits, limit, waited]) => ({
      ...claimOf(owner, mode, permits, limit),
      waited: Number(waited),
    })),
    fence: Math.max(0, ...fences) || undefined,
  };
};

const claimOf = (owner: unknown, mode: unknown, permits: unknown, limit: unknown): Claim => ({
  owner: String(owner),
  mode: mode === 'x' ? 'exclusive' : 'shared',
  permits: Number(permits),
  ...(mode !== 'x' && Number(limit) > 0 && { limit: Number(limit) }),
});

const rowsOf = (flat: unknown, width: number): Reply[] => {
  const values = flat as Reply;
  return Array.from({ length: values.length / width }, (_, i) => values.slice(width * i, width * i + width));
};
