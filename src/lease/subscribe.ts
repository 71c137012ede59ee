/** What subscribing to a lock does. */
import { Observable, type Subscriber, type TeardownLogic } from 'rxjs';
import { Attachment } from './attachment.ts';
import type { Lease } from './lease.ts';
import type { Sessions } from './sessions.ts';
import type { Kind, Terms } from './terms.ts';

/** A lock, as it was made. */
export interface Wanted {
  readonly sessions: Sessions;
  readonly name: string;
  readonly kind: Kind;
  readonly terms: Terms;
}

/**
 * Acquires on subscribe, emits one lease, keeps it renewed, errors when it is lost and releases on unsubscribe.
 * With `patient` it waits for its turn; otherwise it completes empty when others hold the lock. `seen` sees the
 * subscription.
 */
export const hold = (wanted: Wanted, patient: boolean, seen?: (one: Attachment) => void): Observable<Lease> =>
  new Observable(begin(wanted, patient, seen));

/** What a subscription to a lock does. */
export const begin =
  (wanted: Wanted, patient: boolean, seen?: (one: Attachment) => void) =>
  (subscriber: Subscriber<Lease>): TeardownLogic => {
    const { sessions, name, terms } = wanted;
    if (sessions.ending) return sessions.refusal.refuse(subscriber, terms.scheduler, name);
    const one = new Attachment(subscriber, name, terms);
    seen?.(one);
    sessions.open(one, wanted, patient, subscriber);
    return () => one.leave();
  };
