/** One subscription to a lock. Everything is emitted to it in the async context in which it was made. */
import type { Subscriber } from 'rxjs';
import type { Mode } from '../store/store.ts';
import { InContext, report } from './context.ts';
import type { Lease } from './lease.ts';
import type { LockDefinition, SessionView } from './session-view.ts';
import type { Terms } from './terms.ts';

/** Collects the attachments that leave because they have timed out; undefined while none does. */
let late: Attachment[] | undefined;

/** Calls what unsubscribes from waits that have timed out, and returns those that were still waiting. */
export const endLate = (unsubscribe: () => void): readonly Attachment[] => {
  const all: Attachment[] = [];
  const before = late;
  late = all;
  try {
    unsubscribe();
  } catch (error) {
    report(error);
  } finally {
    late = before;
  }
  return all;
};

export class Attachment extends InContext<Lease> {
  /** The session to which it is attached; undefined while it waits for the end of an earlier lease of its owner. */
  session: (SessionView & { leave(one: Attachment): void }) | undefined;
  /** Whether it was given a lease. */
  holds = false;
  /** Whether its `timeout` has ended the wait. */
  timedOut = false;
  readonly wanted: LockDefinition;

  constructor(subscriber: Subscriber<Lease>, wanted: LockDefinition) {
    super(subscriber);
    this.wanted = wanted;
  }

  /** How it differs from those that have or await the one lease of its owner, if it cannot share that: another scheduler's clock could not judge it. */
  conflict(mode: Mode, permits: number, { scheduler }: Terms): string | undefined {
    const { kind, terms } = this.wanted;
    if (kind.mode !== mode) return 'in another mode';
    if (kind.permits > permits) return 'with fewer permits';
    return terms.scheduler === scheduler ? undefined : 'by another scheduler';
  }

  override next(lease: Lease): void {
    this.holds = true;
    super.next(lease);
  }

  /** The teardown of the subscription. */
  unsubscribe(): void {
    if (late && this.session?.waits !== false) {
      this.timedOut = true;
      late.push(this);
    }
    this.session?.leave(this);
  }
}
