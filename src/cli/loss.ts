/** Tells early enough when leases are about to end, so that the command under them can be stopped first. */
import { defer, filter, fromEvent, map, merge, type Observable, repeat, take, tap, timer } from 'rxjs';
import { type Lease, LockLostError } from '../index.ts';
import { spoken } from './values.ts';

/** The longest time between two looks at the clocks, in ms. After a machine has slept, that is noticed within this time. */
const LOOK_EVERY = 1_000;

interface TimeLeft {
  /** ms for which all leases can be used. A lease counts its own `maxHold`. */
  readonly left: () => number;
  /** ms until `maxHold` is over, counted from when all were held. */
  readonly ofHold: () => number;
}

export const timeLeft = (leases: readonly Lease[], maxHold: number): TimeLeft => {
  const end = performance.now() + maxHold;
  const ofHold = (): number => end - performance.now();
  return { left: () => Math.min(ofHold(), ...leases.map((lease) => lease.remaining())), ofHold };
};

const sayingOf = (leases: readonly Lease[], { left, ofHold }: TimeLeft): string => {
  const ms = left();
  const lapsing = leases.find((lease) => lease.remaining() <= ms);
  const reason: unknown = lapsing?.signal.reason;
  if (reason instanceof LockLostError) return lostBy(reason);
  if (!lapsing || ofHold() - ms < LOOK_EVERY) return `--max-hold is over in ${spoken(ms)}`; // a lease was held a little earlier
  return `the lease on ${JSON.stringify(lapsing.name)} could not be renewed, and ends in ${spoken(ms)}`;
};

/**
 * Emits once, saying why: when a lease is lost, or when all that is left of the leases is `notice` ms. Normally a
 * renewal comes long before that.
 *
 * @param looked called at every look
 */
export const lossOf = (
  leases: readonly Lease[],
  time: TimeLeft,
  notice: number,
  looked: () => void,
): Observable<string> =>
  merge(
    ...leases.map(({ signal }) => fromEvent(signal, 'abort')),
    defer(() => timer(Math.min(LOOK_EVERY, Math.max(0, time.left() - notice)))).pipe(
      repeat(),
      tap(looked),
      filter(() => time.left() <= notice),
    ),
  ).pipe(
    take(1),
    map(() => sayingOf(leases, time)),
  );

/** Renews the leases when the command has ended, to find out whether one was lost meanwhile. No answer is no loss while they are valid. */
export const lostMeanwhile = async (leases: readonly Lease[]): Promise<string | undefined> => {
  const answers = await Promise.allSettled(leases.map((lease) => lease.renew()));
  const reasons = answers.map((answer) => (answer.status === 'rejected' ? (answer.reason as unknown) : undefined));
  const loss = reasons.find((reason) => reason instanceof LockLostError);
  return loss && lostBy(loss);
};

/** What happened, without the message's advice: it is for code that can acquire again. */
const lostBy = ({ lock, reason }: LockLostError): string => `the lease on ${JSON.stringify(lock)} is lost: ${reason}`;
