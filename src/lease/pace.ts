/** How long a waiter waits before it asks again, by the outcomes of its attempts so far. */
import { waitAfter } from '../backoff.ts';
import type { Answer } from '../store/store.ts';
import type { SessionView } from './session-view.ts';

export type Denied = Exclude<Answer, { granted: true }>;

/** How many waiters, from the head of the queue, ask when the holder lapses. Behind them only the foremost of each coordinator does: see store/foremost. */
const NEAR = 3;

/** ms after the lapse over which those behind are spread by their rank: 10,000 coordinators make 25 requests in each ms. */
const SPREAD = 400;

export class Pace {
  /** The attempts that have failed since the last answer: from monotonic ms `since`, with the error of the last one. */
  failed: { readonly since: number; readonly times: number; readonly error: Error } | undefined;
  private hindered = false;
  private denials = 0;
  private readonly session: SessionView;

  constructor(session: SessionView) {
    this.session = session;
  }

  /**
   * ms to wait after a denial. If the holder's release will be handed over, a heartbeat is enough, and the first in the
   * queue ask when the holder's lease is due to lapse. If not, as with another client's lock, they ask by back-off.
   */
  afterDenial({ wait, rank = 0, announced, foremost }: Denied): number {
    const { request, sessions } = this.session;
    if (sessions.store.refusedToListen) this.hinder(sessions.store.refusedToListen);
    const heartbeat = Math.floor(request.waiterTtl / 3);
    if (rank >= NEAR && !foremost) return heartbeat;
    const lapse = Math.max(1, wait) + 1 + (rank < NEAR ? 0 : rank % SPREAD);
    if (announced) return Math.min(lapse, heartbeat);
    this.denials += 1;
    return Math.min(lapse, heartbeat, this.backOff(this.denials));
  }

  /** ms to wait after a failure. */
  afterFailure(error: Error): number {
    const { request, terms } = this.session;
    const now = terms.clock.now();
    const { since = now, times = 0 } = this.failed ?? {};
    if (now - since > request.ttl) this.hinder(error);
    this.failed = { since, times: times + 1, error };
    return this.backOff(times + 1);
  }

  /** The wait that the back-off returns. It may be the user's own, and throw. */
  private backOff(attempt: number): number {
    const { firstAttachment, terms } = this.session;
    return firstAttachment.runInAsyncScope(() => waitAfter(terms.backoff, attempt));
  }

  /** Tells that the wait is hindered, once. */
  private hinder(error: Error): void {
    if (this.hindered) return;
    this.hindered = true;
    this.session.sessions.warn(this.session.request.name, error);
    this.session.tell({ type: 'hindered', error });
  }
}
