/** What the attempts of a waiter have come to so far: how long it waits before it asks again, and what its wait has failed with. */
import { waitAfter } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import type { Answer, Request, Store } from '../store/store.ts';
import type { Told } from './events.ts';
import type { Terms } from './terms.ts';

export type Denied = Exclude<Answer, { granted: true }>;

/** Ranks whose waiters ask again when the holder lapses; of those behind, the foremost of each coordinator: see store/foremost. */
const NEAR = 3;

/** ms after the lapse in which those behind ask, each at its rank's: 10,000 coordinators are 25 a ms, ten are done in ten. */
const SPREAD = 400;

/** Whose pace it is, as far as that matters. */
interface Waiter {
  readonly request: Request;
  readonly terms: Terms;
  readonly clock: Clock;
  readonly store: Store;
  tell(event: Told): void;
}

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
  afterDenial({ wait, rank = 0, announced, foremost }: Denied, waiter: Waiter): number {
    const { request, store, terms } = waiter;
    if (store.deaf) this.hinder(waiter, store.deaf);
    const heartbeat = Math.floor(request.waiterTtl / 3);
    if (rank >= NEAR && !foremost) return heartbeat;
    const lapse = Math.max(1, wait) + 1 + (rank < NEAR ? 0 : rank % SPREAD);
    return Math.min(lapse, heartbeat, announced ? lapse : waitAfter(terms.backoff, ++this.denials));
  }

  /** ms to wait. */
  afterFailure(error: Error, waiter: Waiter): number {
    const { request, terms, clock } = waiter;
    this.silent ??= clock.now();
    if (clock.now() - this.silent > request.ttl) this.hinder(waiter, error);
    this.failure = error;
    return waitAfter(terms.backoff, ++this.failures);
  }

  /** Tells, once, that the wait goes on worse than it should. */
  private hinder(waiter: Waiter, error: Error): void {
    if (this.hindered) return;
    this.hindered = true;
    waiter.tell({ type: 'hindered', error });
  }
}
