/** Cancels what may have been granted: a release by owner, repeated until nothing that was sent before it can take effect. */
import { Observable, type SchedulerLike } from 'rxjs';
import { soon } from '../backoff.ts';
import { clockOf } from '../clock.ts';
import { isTransient, RedisUnreachableError } from '../errors.ts';
import { LONGEST } from '../options.ts';
import type { Released } from './store.ts';

export interface Cancellation {
  /** Server ms until which an earlier command of unknown outcome may still take effect. Default: 0, there is none. */
  readonly notAfter?: number;
  /** The timeout of a command, in ms: of each release; and of the earlier command counted from now, in case the server's clock steps back. */
  readonly within: number;
  /** ms from now for which a release that fails transiently is repeated. Default: 0, it is sent once. */
  readonly retryFor?: number;
  readonly scheduler: SchedulerLike;
  /** Called after each release that failed. */
  readonly failed?: () => void;
}

/**
 * Emits the outcome of each release that was answered; the first one tells whether there was anything to release. Errors
 * when a release has failed for good, but only when that release can no longer take effect: otherwise it could end the
 * next lease of the same owner. Written by hand, not as a pipeline, because every release of a lease comes through here.
 */
export const cancel = (
  release: () => Observable<Released>,
  { notAfter = 0, within, retryFor = 0, scheduler, failed }: Cancellation,
): Observable<Released> =>
  new Observable((subscriber) => {
    const clock = clockOf(scheduler);
    const began = clock.now();
    let sent = began;
    let failures = 0;
    const after = (ms: number, act: () => void): void => {
      subscriber.add(scheduler.schedule(act, Math.min(ms, LONGEST)));
    };
    let left = 1; // releases that go on, or are to be made: one of a quorum goes on when it has its outcome
    const complete = (): void => {
      left -= 1;
      if (left === 0) subscriber.complete();
    };
    const send = (): void => {
      sent = clock.now();
      subscriber.add(release().subscribe({ next, error, complete }));
    };
    const next = (released: Released): void => {
      failures = 0;
      subscriber.next(released);
      const over = began + within; // an earlier command cannot take effect after a release that is sent later than this
      if (notAfter === 0 || released.now > notAfter || sent > over) return;
      left += 1;
      after(Math.max(0, Math.min(notAfter - released.now, over - clock.now())) + 1, send);
    };
    const error = (reason: unknown): void => {
      failed?.();
      if (isTransient(reason) && clock.now() - began < retryFor) {
        failures += 1;
        after(soon(failures), send);
        return;
      }
      const unknown = reason instanceof RedisUnreachableError && reason.notAfter !== undefined; // it may have been sent
      const rest = unknown ? sent + within + 1 - clock.now() : 0; // + 1: in the ms of its not-after it may take effect
      if (rest > 0) after(rest, () => subscriber.error(reason));
      else subscriber.error(reason);
    };
    send();
  });
