/** When leases are renewed and waiters ask again: one timer for all that have the same delay, and turns for many leases at once. */
import type { SchedulerLike, Subscription } from 'rxjs';
import type { Clock } from '../clock.ts';

/** How many leases are renewed without a pause: as many as travel in one command. */
const SLICE = 64;

/** Those of one delay, in the order in which they are due: who is entered is nearly always the last. */
interface List {
  readonly delay: number;
  first: Sleeper | undefined;
  last: Sleeper | undefined;
  alarm: Subscription | undefined;
}

/**
 * What is woken once, at a time that can be changed until then. It is a link of its list itself: what is made anew for each
 * renewal of 10,000 leases, and lasts until the next, keeps the garbage collector busy.
 */
export interface Sleeper {
  /** Where it is entered. */
  list: List | undefined;
  due: number;
  before: Sleeper | undefined;
  after: Sleeper | undefined;
  wake(): void;
}

interface Renewable {
  renewNow(): void;
}

export class Agenda {
  private readonly lists = new Map<number, List>();
  private renewals: Renewable[] = [];
  private readonly scheduler: SchedulerLike;
  private readonly clock: Clock;

  constructor(scheduler: SchedulerLike, clock: Clock) {
    this.scheduler = scheduler;
    this.clock = clock;
  }

  /** Enters it for `delay` ms after that instant, and for no other time. */
  enter(sleeper: Sleeper, delay: number, since = this.clock.now()): void {
    this.strike(sleeper);
    const list = this.lists.get(delay) ?? { delay, first: undefined, last: undefined, alarm: undefined };
    if (!list.last) this.lists.set(delay, list);
    const due = since + delay;
    let before = list.last;
    while (before && before.due > due) before = before.before;
    const after = before ? before.after : list.first;
    sleeper.list = list;
    sleeper.due = due;
    sleeper.before = before;
    sleeper.after = after;
    if (after) after.before = sleeper;
    else list.last = sleeper;
    if (before) before.after = sleeper;
    else {
      list.first = sleeper;
      this.wind(list);
    }
  }

  strike(sleeper: Sleeper): void {
    const { list, before, after } = sleeper;
    if (!list) return;
    sleeper.list = sleeper.before = sleeper.after = undefined;
    if (before) before.after = after;
    else list.first = after;
    if (after) after.before = before;
    else list.last = before;
    if (list.first) return; // should it have been the first, the timer goes off for nobody
    list.alarm?.unsubscribe();
    this.lists.delete(list.delay);
  }

  /** Leases that are due at once take turns: nobody else in this process waits for all of them. */
  renewInTurn(lease: Renewable): void {
    if (this.renewals.push(lease) === 1) this.renewSome();
  }

  private wind(list: List): void {
    list.alarm?.unsubscribe();
    const { due } = list.first ?? { due: 0 };
    list.alarm = this.scheduler.schedule(() => this.turn(list, due), Math.max(0, due - this.clock.now()));
  }

  /** Those of the next ms are as good as due. What is entered by those who are woken comes later. */
  private turn(list: List, due: number): void {
    const now = Math.max(due, this.clock.now());
    try {
      for (let { first } = list; first && first.due < now + 1; { first } = list) {
        this.strike(first);
        first.wake();
      }
    } finally {
      if (list.first) this.wind(list); // also when what is woken throws: a teardown of the user's own
    }
  }

  private renewSome(): void {
    this.scheduler.schedule(() => {
      try {
        for (const lease of this.renewals.splice(0, SLICE)) lease.renewNow();
      } finally {
        if (this.renewals.length > 0) this.renewSome();
      }
    });
  }
}
