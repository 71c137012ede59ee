/** What the attempts of a waiter have come to so far: how long it waits before it asks again, and what its wait has failed with. */
import { waitAfter } from '../backoff.ts';
import type { Answer } from '../store/store.ts';
import type { Owner } from './owner.ts';

export type Denied = Exclude<Answer, { granted: true }>;

/** Ranks whose waiters ask again when the holder lapses; of those behind, the foremost of each coordinator: see store/foremost. */
const NEAR = 3;

/** ms after the lapse in which those behind ask, each at its rank's: 10,000 coordinators are 25 a ms, ten are done in ten. */
const SPREAD = 400;

export class Pace {
  /** What the last attempt failed with; undefined once one was answered. */
  failure: Error | undefined;
  private failures = 0;
  /** The first failure after the last answer, in ms of the clock. */
  private silent: number | undefined;
  private hindered = false;
  private denials = 0;

  /** An attempt was answered: failures are counted from one again. */
  heard(): void {
    this.failures = 0;
    this.failure = undefined;
    this.silent = undefined;
  }

  /**
   * ms to wait. A holder that hands over needs no asking: a heartbeat keeps the place, and the first in the queue look when
   * the holder's time is over. One that never announces is asked for by back-off.
   */
  afterDenial({ wait, rank = 0, announced, foremost }: Denied, owner: Owner): number {
    const { request, store } = owner;
    if (store.deaf) this.hinder(owner, store.deaf);
    const heartbeat = Math.floor(request.waiterTtl / 3);
    if (rank >= NEAR && !foremost) return heartbeat;
    const lapse = Math.max(1, wait) + 1 + (rank < NEAR ? 0 : rank % SPREAD);
    if (announced) return Math.min(lapse, heartbeat);
    this.denials += 1;
    return Math.min(lapse, heartbeat, backOff(owner, this.denials));
  }

  /** ms to wait. */
  afterFailure(error: Error, owner: Owner): number {
    const { request, terms } = owner;
    const now = terms.clock.now();
    this.silent ??= now;
    if (now - this.silent > request.ttl) this.hinder(owner, error);
    this.failure = error;
    this.failures += 1;
    return backOff(owner, this.failures);
  }

  /** Tells, once, that the wait goes on worse than it should. */
  private hinder(owner: Owner, error: Error): void {
    if (this.hindered) return;
    this.hindered = true;
    owner.tell({ type: 'hindered', error });
  }
}

/** It may be the user's own, and throw. */
const backOff = (owner: Owner, attempt: number): number =>
  owner.first.runInAsyncScope(() => waitAfter(owner.terms.backoff, attempt));
