/** One subscription to a lock. Everything is emitted to it in the async context in which it was made. */
import type { Subscriber } from 'rxjs';
import { OwnerConflictError } from '../errors.ts';
import type { Mode, Request } from '../store/store.ts';
import { InContext, report } from './context.ts';
import type { HeldLease } from './held-lease.ts';
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

type AttachedTo = SessionView & { leave(one: Attachment, timedOut: boolean): void };

export class Attachment extends InContext<Lease> {
  /** Whether it was given a lease. */
  holds = false;
  // private at run time too (#): a log of the subscription must not show the connection behind it, with its password
  #session: AttachedTo | undefined;
  readonly #wanted: LockDefinition;

  constructor(subscriber: Subscriber<Lease>, wanted: LockDefinition) {
    super(subscriber);
    this.#wanted = wanted;
  }

  get wanted(): LockDefinition {
    return this.#wanted;
  }

  /** The session to which it is attached; undefined while it waits for the end of an earlier lease of its owner. */
  get session(): AttachedTo | undefined {
    return this.#session;
  }

  set session(session: AttachedTo) {
    this.#session = session;
  }

  /** Whether it can share the one lease of its owner, which another has or awaits; it errors if not. Another scheduler's clock could not judge the lease. */
  fits({ name, owner, permits }: Request, mode: Mode, { scheduler }: Terms): boolean {
    const { kind, terms } = this.wanted;
    const other =
      (kind.mode !== mode && 'in another mode') ||
      (kind.permits > permits && 'with fewer permits') ||
      (terms.scheduler !== scheduler && 'by another scheduler');
    if (other) this.error(new OwnerConflictError(name, owner, other));
    return !other;
  }

  override next(lease: Lease): void {
    this.holds = true;
    super.next(lease);
  }

  /** Its lease has ended. It completes, unless that was lost, or was never given to it: then it would complete as if its work was done. */
  end(lease: HeldLease): void {
    if (this.holds && lease.end === 'released') this.complete();
    else this.error(lease.loss);
  }

  /** The teardown of the subscription. */
  unsubscribe(): void {
    const timedOut = late !== undefined && this.session?.waits !== false;
    if (timedOut) late?.push(this);
    this.session?.leave(this, timedOut);
  }
}
