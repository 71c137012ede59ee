/** What the memory knows of a name, and what the scripts do with the claims on it: plain data in place of keys. */
import type { Grant, Request } from '../store.ts';

/** The coordinator that a waiter is told through. */
export interface Listener {
  readonly closed: boolean;
  tell(grant: Grant): void;
}

/** Who waits. */
export interface Waiter extends Request {
  readonly listener: Listener;
  readonly ticket: number;
  /** When it is dead unless it asks again, ms. */
  readonly due: number;
}

/** Who holds. */
export interface Holder extends Request {
  readonly fence: number;
  /** Whether its lease was released and is held over. */
  readonly over: boolean;
  /** When it lapses, ms. */
  due: number;
}

export interface Name {
  readonly holders: Map<string, Holder>;
  readonly queue: Map<string, Waiter>;
}

/** The highest number that was drawn, for a ticket or a fence. */
export interface Numbers {
  clock: number;
}

export const blank = (): Name => ({ holders: new Map(), queue: new Map() });

export const isFree = ({ holders, queue }: Name): boolean => holders.size + queue.size === 0;

export const exclusiveOf = ({ holders }: Name): Holder | undefined =>
  [...holders.values()].find(({ mode }) => mode === 'exclusive');

/** It rises, and keeps up with the time in µs. */
export const draw = (numbers: Numbers, now: number): number => {
  numbers.clock = Math.max(numbers.clock + 1, Math.floor(now * 1_000));
  return numbers.clock;
};

/** Drops the holders that have lapsed and the waiters that are dead: at once, where the scripts wait until it matters. */
export const lapse = ({ holders, queue }: Name, now: number): void => {
  for (const places of [holders, queue]) {
    for (const { owner, due } of places.values()) if (due <= now) places.delete(owner);
  }
};

/** The lease with this fence; 0 for whatever the owner has. One that is held over is nobody's. */
export const leaseOf = ({ holders }: Name, owner: string, fence: number): Holder | undefined => {
  const holder = holders.get(owner);
  return holder && !holder.over && (fence === 0 || holder.fence === fence) ? holder : undefined;
};

/** In the order of the queue. */
export const inOrder = ({ queue }: Name): Waiter[] => [...queue.values()].sort((a, b) => a.ticket - b.ticket);

const fits = (name: Name, { mode, permits, limit }: Request): boolean => {
  if (mode === 'exclusive') return name.holders.size === 0;
  if (exclusiveOf(name)) return false;
  const used = [...name.holders.values()].reduce((sum, holder) => sum + holder.permits, 0);
  return limit === 0 || used + permits <= limit;
};

/**
 * Grants from the head of the queue for as long as the head fits; a waiter whose coordinator has closed is passed over.
 * `self`, who asks, has its turn by its ticket, and reads its grant from the answer, with its full ttl. Returns how many
 * others were granted.
 */
export const settle = (name: Name, numbers: Numbers, now: number, self?: Waiter): number => {
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
