/** What the memory knows of a name, and the fragment settle of the scripts on it: plain data in place of keys. */
import type { Grant, Request } from '../store.ts';

/** ms for which the last token is remembered, as in lua/include/settle. */
const MEMORY = 3_600_000;

/** The coordinator that a waiter is told through. */
export interface Listener {
  readonly closed: boolean;
  tell(grant: Grant): void;
}

/** A holder, or a waiter in the queue. */
export interface Place extends Request {
  readonly listener: Listener;
  readonly ticket: number;
  /** When it lapses, ms. */
  due: number;
  /** The token of a holder. */
  readonly fence: number;
}

/** A Map keeps the order of insertion, which is the order of the queue. */
export interface Name {
  readonly holders: Map<string, Place>;
  readonly queue: Map<string, Place>;
  last: number;
  /** When the last token is forgotten, ms. */
  until: number;
}

export const blank = (): Name => ({ holders: new Map(), queue: new Map(), last: 0, until: 0 });

export const isFree = ({ holders, queue }: Name): boolean => holders.size + queue.size === 0;

export const exclusiveOf = ({ holders }: Name): Place | undefined =>
  [...holders.values()].find(({ mode }) => mode === 'exclusive');

/** Remembers a new token, or the last one for longer. */
export const remember = (name: Name, fence: number, now: number, ttl = 0): number => {
  name.last = fence;
  name.until = now + Math.max(MEMORY, ttl);
  return fence;
};

/** The token of the next grant: it rises, and keeps up with the clock in µs. */
export const nextOf = ({ last }: Name, now: number): number => Math.max(last + 1, Math.floor(now * 1_000));

/** The order of arrival of one that joins the queue, by the clock in µs. */
export const ticketOf = ({ queue }: Name, now: number): number =>
  Math.max(Math.floor(now * 1_000), ([...queue.values()].at(-1)?.ticket ?? 0) + 1);

/** Drops who has lapsed. */
export const lapse = (name: Name, now: number): void => {
  for (const places of [name.holders, name.queue]) {
    for (const { owner, due } of places.values()) if (due <= now) places.delete(owner);
  }
  if (name.until <= now) name.last = 0;
};

/** Puts a waiter that has come back where it stood. */
export const inOrder = ({ queue }: Name): void => {
  const waiters = [...queue.values()].sort((a, b) => a.ticket - b.ticket);
  queue.clear();
  for (const waiter of waiters) queue.set(waiter.owner, waiter);
};

const fits = (name: Name, { mode, permits, limit }: Place): boolean => {
  if (mode === 'exclusive') return name.holders.size === 0;
  if (exclusiveOf(name)) return false;
  const used = [...name.holders.values()].reduce((sum, holder) => sum + holder.permits, 0);
  return limit === 0 || used + permits <= limit;
};

/**
 * Grants from the head of the queue for as long as the head fits; a waiter whose coordinator has closed is passed
 * over. `self`, who asks, reads its grant from the answer, with its full ttl. Returns how many were granted.
 */
export const settle = (name: Name, now: number, self?: string): number => {
  let grants = 0;
  for (const waiter of [...name.queue.values()]) {
    const { owner, ttl, waiterTtl, listener } = waiter;
    if (!fits(name, waiter)) break;
    if (owner !== self && listener.closed) continue;
    const fence = remember(name, nextOf(name, now), now, ttl);
    name.queue.delete(owner);
    name.holders.set(owner, { ...waiter, fence, due: now + (owner === self ? ttl : Math.min(ttl, waiterTtl)) });
    if (owner !== self) listener.tell({ name: waiter.name, owner, fence });
    grants += 1;
  }
  return grants;
};
