/** How long a waiter waits before it asks again, by the outcomes of its attempts so far. */
import { waitAfter } from '../backoff.ts';
import type { Answer } from '../store/store.ts';
import type { Owner } from './owner.ts';

export type Denied = Exclude<Answer, { granted: true }>;

/** How many waiters, from the head of the queue, ask when the holder lapses. Behind them only the foremost of each coordinator does: see store/foremost. */
const NEAR = 3;

/** ms after the lapse over which those behind are spread by their rank: 10,000 coordinators make 25 requests in each ms. */
const SPREAD = 400;

export class Pace {
  /** The error of the last attempt; undefined after one that was answered. */
  failure: Error | undefined;
  private failures = 0;
  /** Monotonic ms of the first failure since the last answer. */
  private silent: number | undefined;
  private hindered = false;
  private denials = 0;

  /** An attempt was answered: counting of failures starts over. */
  heard(): void {
    this.failures = 0;
    this.failure = undefined;
    this.silent = undefined;
  }

  /**
   * ms to wait after a denial. If the holder's release will be handed over, a heartbeat is enough, and the first in the
   * queue ask when the holder's lease is due to lapse. If not, as with another client's lock, they ask by back-off.
   */
  afterDenial({ wait, rank = 0, announced, foremost }: Denied, owner: Owner): number {
    const { request, store } = owner;
    if (store.refusedToListen) this.hinder(owner, store.refusedToListen);
    const heartbeat = Math.floor(request.waiterTtl / 3);
    if (rank >= NEAR && !foremost) return heartbeat;
    const lapse = Math.max(1, wait) + 1 + (rank < NEAR ? 0 : rank % SPREAD);
    if (announced) return Math.min(lapse, heartbeat);
    this.denials += 1;
    return Math.min(lapse, heartbeat, backOff(owner, this.denials));
  }

  /** ms to wait after a failure. */
  afterFailure(error: Error, owner: Owner): number {
    const { request, terms } = owner;
    const now = terms.clock.now();
    this.silent ??= now;
    if (now - this.silent > request.ttl) this.hinder(owner, error);
    this.failure = error;
    this.failures += 1;
    return backOff(owner, this.failures);
  }

  /** Emits `hindered`, once for each wait. */
  private hinder(owner: Owner, error: Error): void {
    if (this.hindered) return;
    this.hindered = true;
    owner.tell({ type: 'hindered', error });
  }
}

/** The wait that the back-off returns. It may be the user's own, and throw. */
const backOff = (owner: Owner, attempt: number): number =>
  owner.first.runInAsyncScope(() => waitAfter(owner.terms.backoff, attempt));
