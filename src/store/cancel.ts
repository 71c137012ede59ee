/** Takes back what may have been granted: a release, made again until nothing that was sent before it can still land. */
import { Observable, type SchedulerLike } from 'rxjs';
import { soon } from '../backoff.ts';
import { clockOf } from '../clock.ts';
import { isTransient, RedisUnreachableError } from '../errors.ts';
import { LONGEST } from '../options.ts';
import type { Released } from './store.ts';

export interface Cancellation {
  /** Server ms until which an earlier command of unknown outcome may still take effect; default: 0, where none may. */
  readonly notAfter?: number;
  /** ms that a command has to take effect: an earlier one from now, should the server's clock step back, and each release. */
  readonly within: number;
  /** ms from now for which a release that fails in passing is made again; default: 0, where it is made once. */
  readonly patience?: number;
  readonly scheduler: SchedulerLike;
  /** Called after each release that failed. */
  readonly failed?: () => void;
}

/**
 * Emits the outcome of each release that was answered; the first one tells whether there was anything to give up. Errors
 * when one has failed for good, and only once that can land no more: it would end what the owner is granted next. Written
 * out, since every lease that is released comes through here.
 */
export const cancel = (
  release: () => Observable<Released>,
  { notAfter = 0, within, patience = 0, scheduler, failed }: Cancellation,
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
      const over = began + within; // nothing can land behind a release that is sent later
      if (notAfter === 0 || released.now > notAfter || sent > over) return;
      left += 1;
      after(Math.max(0, Math.min(notAfter - released.now, over - clock.now())) + 1, send);
    };
    const error = (reason: unknown): void => {
      failed?.();
      if (isTransient(reason) && clock.now() - began < patience) {
        failures += 1;
        after(soon(failures), send);
        return;
      }
      const unknown = reason instanceof RedisUnreachableError && reason.notAfter !== undefined; // it may have been sent
      const rest = unknown ? sent + within + 1 - clock.now() : 0; // in the ms of its not-after it can still land
      if (rest > 0) after(rest, () => subscriber.error(reason));
      else subscriber.error(reason);
    };
    send();
  });
