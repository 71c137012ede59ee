/** What subscribing to a lock does. */
import { Observable, type Subscriber, type TeardownLogic } from 'rxjs';
import { type Wanted as Asked, Attachment } from './attachment.ts';
import type { Lease } from './lease.ts';
import type { Sessions } from './sessions.ts';

/** A lock, as it was made. */
export interface Wanted extends Asked {
  readonly sessions: Sessions;
}

/**
 * Acquires on subscribe, emits one lease, keeps it renewed, errors when it is lost and releases on unsubscribe.
 * With `patient` it waits for its turn; otherwise it completes empty when others hold the lock.
 */
export const hold = (wanted: Wanted, patient: boolean): Observable<Lease> => new Observable(begin(wanted, patient));

/** What a subscription to a lock does. */
export const begin =
  (wanted: Wanted, patient: boolean) =>
  (subscriber: Subscriber<Lease>): TeardownLogic => {
    const { sessions, name, terms } = wanted;
    if (sessions.ending) return sessions.refusal.refuse(subscriber, terms.scheduler, name);
    const one = new Attachment(subscriber, wanted);
    sessions.open(one, patient, subscriber);
    return one;
  };
