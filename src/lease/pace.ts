/** What the attempts of a waiter have come to so far: how long it waits before it asks again, and what its wait has failed with. */
import { waitAfter } from '../backoff.ts';
import { LockTimeoutError, RedisUnreachableError } from '../errors.ts';
import type { Backoff } from '../options.ts';
import type { Answer } from '../store/store.ts';

export type Denied = Exclude<Answer, { granted: true }>;

/** Ranks whose waiters ask again when the holder lapses; those behind wait for their turn. */
const NEAR = 3;

export class Pace {
  /** What the last attempt failed with; undefined once one was answered. */
  private failure: Error | undefined;
  private answered = false;
  private failures = 0;
  private denials = 0;

  /** An attempt was answered: failures are counted from one again. */
  heard(): void {
    this.answered = true;
    this.failures = 0;
    this.failure = undefined;
  }

  /**
   * A holder that hands over needs no asking: a heartbeat keeps the place, and the first in the queue look when the
   * holder's time is over. One that never announces is asked for by back-off.
   */
  afterDenial({ wait, rank = 0, announced }: Denied, waiterTtl: number, backoff: Backoff): number {
    const heartbeat = Math.floor(waiterTtl / 3);
    const lapse = Math.max(1, wait) + 1;
    if (rank >= NEAR) return heartbeat;
    return Math.min(lapse, heartbeat, announced ? lapse : waitAfter(backoff, ++this.denials));
  }

  afterFailure(error: Error, backoff: Backoff): number {
    this.failure = error;
    return waitAfter(backoff, ++this.failures);
  }

  /** The error of a wait that has lasted for `timeout` ms: others hold the lock, or Redis was never heard. */
  late(name: string, timeout: number, trouble: Error | undefined): Error {
    const { answered, failure } = this;
    if (answered || (failure && !(failure instanceof RedisUnreachableError))) {
      return new LockTimeoutError(name, timeout, failure);
    }
    const cause = failure?.cause ?? failure ?? trouble;
    return new RedisUnreachableError(name, `No answer within ${timeout} ms`, undefined, cause);
  }
}
