/** The last stretch of a session: its owner is taken out of Redis, and who ended it hears whether it held anything. */
import { AsyncSubject, concat, defer, EMPTY, type Observable, Subject, type Subscription } from 'rxjs';
import type { Clock } from '../clock.ts';
import { cancel } from '../store/cancel.ts';
import type { Release, Released, Request, Store } from '../store/store.ts';
import type { Attachments } from './attachments.ts';
import type { Told } from './events.ts';
import type { Terms } from './terms.ts';

/** What Redis may know of an owner: see acquisition. */
interface Trace {
  readonly known: boolean;
  readonly notAfter: number;
  readonly mayLand: boolean;
  readonly settled$: Observable<never> | undefined;
}

/** Who leaves. */
export interface Leaver {
  readonly request: Request;
  readonly terms: Terms;
  readonly clock: Clock;
  readonly store: Store;
  readonly acquisition: Trace;
  tell(event: Told): void;
  /** Nothing is left of it. A grant that is told later is given back, unless it is to be left alone. */
  over(leavesGrant: boolean): void;
}

export class Departure {
  private answer: AsyncSubject<boolean> | undefined = new AsyncSubject<boolean>();
  private clearing: Subscription | undefined;
  private done$: Subject<void> | undefined;
  private readonly attached: Attachments;
  private readonly told: ((held: boolean) => void) | undefined;

  /** @param told called once, before the answer is. */
  constructor(attached: Attachments, told?: (held: boolean) => void) {
    this.attached = attached;
    this.told = told;
  }

  get is(): 'releasing' {
    return 'releasing';
  }

  /** Emits when nothing is left. */
  get over$(): Observable<void> {
    this.done$ ??= new Subject();
    return this.done$;
  }

  /** Whether a lease was given up, once that is known; undefined where it was told already. */
  get answer$(): Observable<boolean> | undefined {
    return this.answer;
  }

  /** @param queued whether it waited. Where the release of a waiter finds a lease, that was granted before it was told so. */
  start(session: Leaver, released$: Observable<Released>, leavesGrant: boolean, queued: boolean): void {
    let knows = leavesGrant;
    const over = (): void => {
      this.tell(false);
      session.over(knows);
      this.done$?.next();
    };
    const next = ({ held, grants }: Released): void => {
      this.tell(held);
      knows ||= held && queued;
      if (grants > 0) session.tell({ type: 'handedOver', to: grants });
    };
    this.clearing = released$.subscribe({ next, error: over, complete: over });
  }

  /** The first that is told counts. */
  tell(held: boolean): void {
    const { answer } = this;
    if (!answer) return;
    this.answer = undefined;
    this.attached.inContext(() => {
      this.told?.(held);
      answer.next(held);
      answer.complete();
    });
  }

  /** The coordinator has closed, and waits no longer. */
  abandon(): void {
    this.clearing?.unsubscribe();
    this.tell(false);
  }

  /**
   * Takes the owner out of Redis, once no attempt is on its way; goes on past commandTimeout, when the answer is that nothing
   * was given up, until nothing can be left.
   *
   * @param ttl ms after which a lease has lapsed by itself
   * @param keepUntil monotonic ms until which the lock stays taken all the same
   * @param fence of the lease that is given up. One that may still land has another, so then it is whatever the owner has.
   */
  clear(leaver: Leaver, ttl: number, fence?: number, keepUntil = 0): Observable<Released> {
    const { request, terms, clock, store, acquisition } = leaver;
    const { name, owner, waiterTtl } = request;
    const { commandTimeout, scheduler } = terms;
    const lease = { name, owner, fence: acquisition.mayLand ? undefined : fence };
    const release = (): Release => {
      const keep = Math.ceil(keepUntil - clock.now());
      return keep > 0 ? { ...lease, keep } : lease;
    };
    const away = (): Observable<Released> => {
      const { known, notAfter } = acquisition;
      if (!known) return EMPTY;
      const since = clock.now();
      return cancel(() => store.release(release(), commandTimeout), {
        notAfter,
        within: commandTimeout,
        patience: (notAfter > 0 ? commandTimeout : 0) + Math.max(ttl, waiterTtl),
        scheduler,
        failed: () => {
          if (clock.now() - since >= commandTimeout) this.tell(false);
        },
      });
    };
    const { settled$ } = acquisition;
    return settled$ ? concat(settled$, defer(away)) : away();
  }
}
