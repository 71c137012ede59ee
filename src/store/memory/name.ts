/** The state of a name in memory, and what the scripts do with the claims on it, on plain data. */
import type { Grant, Request } from '../store.ts';

/** The coordinator to which a waiter's grant is announced. */
export interface MemoryListener {
  readonly closed: boolean;
  tell(grant: Grant): void;
}

/** An owner that waits. */
interface StoredWaiter extends Request {
  readonly listener: MemoryListener;
  readonly ticket: number;
  /** When it counts as dead unless it asks again, in ms. */
  readonly due: number;
}

/** An owner that holds. */
interface StoredHolder extends Request {
  readonly fence: number;
  /** Whether its lease was released and is held over. */
  readonly over: boolean;
  /** When it lapses, in ms. */
  due: number;
}

export interface Name {
  readonly holders: Map<string, StoredHolder>;
  readonly queue: Map<string, StoredWaiter>;
}

/** The highest number that was drawn, for a ticket or a fence. */
interface Numbers {
  clock: number;
}

export const blank = (): Name => ({ holders: new Map(), queue: new Map() });

export const isFree = ({ holders, queue }: Name): boolean => holders.size + queue.size === 0;

export const exclusiveOf = ({ holders }: Name): StoredHolder | undefined =>
  [...holders.values()].find(({ mode }) => mode === 'exclusive');

/** Draws the next number: higher than all before, and at least the time in µs. */
export const draw = (numbers: Numbers, now: number): number => {
  numbers.clock = Math.max(numbers.clock + 1, Math.floor(now * 1_000));
  return numbers.clock;
};

/** Drops the holders that have lapsed and the waiters that are dead. (The scripts do that only for those that stand in the way.) */
export const lapse = ({ holders, queue }: Name, now: number): void => {
  for (const claims of [holders, queue]) {
    for (const { owner, due } of claims.values()) if (due <= now) claims.delete(owner);
  }
};

/** The owner's lease with this fence; with any, if `fence` is 0. A lease that is held over belongs to nobody. */
export const leaseOf = ({ holders }: Name, owner: string, fence: number): StoredHolder | undefined => {
  const holder = holders.get(owner);
  return holder && !holder.over && (fence === 0 || holder.fence === fence) ? holder : undefined;
};

/** In the order of the queue. */
export const inOrder = ({ queue }: Name): StoredWaiter[] => [...queue.values()].sort((a, b) => a.ticket - b.ticket);

const fits = (name: Name, { mode, permits, limit }: Request): boolean => {
  if (mode === 'exclusive') return name.holders.size === 0;
  if (exclusiveOf(name)) return false;
  const used = [...name.holders.values()].reduce((sum, holder) => sum + holder.permits, 0);
  return limit === 0 || used + permits <= limit;
};

/**
 * Grants from the head of the queue for as long as the head fits. A waiter whose coordinator has closed is passed over.
 * `self`, the owner that asks, is served in the order of its ticket like the others, but gets its full ttl, and reads its
 * grant from the answer. Returns how many others were granted.
 */
export const settle = (name: Name, numbers: Numbers, now: number, self?: StoredWaiter): number => {
  let grants = 0;
  const others = inOrder(name).filter(({ owner }) => owner !== self?.owner);
  for (const waiter of self ? [...others, self].sort((a, b) => a.ticket - b.ticket) : others) {
    const { owner, ttl, waiterTtl, listener } = waiter;
    if (!fits(name, waiter)) break;
    if (waiter !== self && listener.closed) continue;
    const fence = draw(numbers, now);
    name.queue.delete(owner);
    name.holders.set(owner, {
      ...waiter,
      fence,
      over: false,
      due: now + (waiter === self ? ttl : Math.min(ttl, waiterTtl)),
    });
    if (waiter === self) continue;
    listener.tell({ name: waiter.name, owner, fence });
    grants += 1;
  }
  return grants;
};
