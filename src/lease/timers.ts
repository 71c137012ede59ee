/** The timers of renewals and waiters: one timer of the scheduler serves all that have the same delay, and many that are due at once are woken in slices. */
import type { SchedulerLike, Subscription } from 'rxjs';
import type { Clock } from '../clock.ts';

/** How many timers are woken before other tasks of the process run: as many as travel in one command. */
const SLICE = 64;

/** What a timer wakes. */
export interface Sleeper {
  wake(): void;
}

/** A link of a ring; alone, it is linked to itself. */
class Link {
  before: Link = this;
  after: Link = this;
  due = Number.NEGATIVE_INFINITY;

  protected linkAfter(before: Link): void {
    this.before = before;
    this.after = before.after;
    this.before.after = this.after.before = this;
  }

  protected unlink(): void {
    this.before.after = this.after;
    this.after.before = this.before;
    this.before = this.after = this;
  }
}

/** The timers of one delay: a ring in which the row itself stands before the first that is due, and after the last. */
class DelayRow extends Link {
  alarm: Subscription | undefined;
  /** When the alarm fires; nothing in the row is due before. */
  rings = Number.POSITIVE_INFINITY;
  readonly delay: number;

  constructor(delay: number) {
    super();
    this.delay = delay;
  }
}

/**
 * Wakes its sleeper once, at a time that can be changed until then. The timer itself is the link of its row: a link object
 * for each renewal of 10,000 leases would keep the garbage collector busy.
 */
export class Timer extends Link {
  sleeper: Sleeper;
  readonly timers: Timers;

  constructor(timers: Timers, sleeper: Sleeper) {
    super();
    this.timers = timers;
    this.sleeper = sleeper;
  }

  get isSet(): boolean {
    return this.after !== this;
  }

  /** Sets it to `delay` ms after that instant, and to no other time; default: now. */
  set(delay: number, since = this.timers.clock.now()): void {
    this.clear();
    const row = this.timers.added(delay);
    let { before } = row; // it is nearly always due as the last
    this.due = since + delay;
    while (before.due > this.due) before = before.before;
    this.linkAfter(before);
    if (this.due < row.rings) this.timers.setAlarm(row);
  }

  clear(): void {
    if (!this.isSet) return;
    this.unlink();
    this.timers.removed();
  }
}

/** The timers that go by one scheduler. */
export class Timers {
  readonly clock: Clock;
  private readonly scheduler: SchedulerLike;
  private readonly rows = new Map<number, DelayRow>();
  /** How many timers are set. */
  private count = 0;

  constructor(scheduler: SchedulerLike, clock: Clock) {
    this.scheduler = scheduler;
    this.clock = clock;
  }

  /** @internal A timer is set: returns the row of its delay. */
  added(delay: number): DelayRow {
    this.count += 1;
    const row = this.rows.get(delay) ?? new DelayRow(delay);
    this.rows.set(delay, row);
    return row;
  }

  /** @internal A timer is cleared. While others are set its row's alarm stays, and finds nothing due: cheaper than a new alarm for each short lease. */
  removed(): void {
    this.count -= 1;
    if (this.count === 0) for (const row of this.rows.values()) this.end(row);
  }

  /** @internal */
  setAlarm(row: DelayRow): void {
    row.alarm?.unsubscribe();
    row.rings = row.after.due;
    row.alarm = this.scheduler.schedule(() => this.ring(row), Math.max(0, row.rings - this.clock.now()));
  }

  /** Wakes a slice of the timers that are due, and of those of the next ms. The rest comes with the next alarm. */
  private ring(row: DelayRow): void {
    const now = Math.max(row.rings, this.clock.now());
    try {
      for (let i = 0; i < SLICE; i += 1) {
        const next = row.after;
        if (!(next instanceof Timer) || next.due >= now + 1) break;
        next.clear();
        next.sleeper.wake();
      }
    } finally {
      if (row.after === row) this.end(row);
      else this.setAlarm(row); // also if a sleeper throws, as a user's teardown may
    }
  }

  private end(row: DelayRow): void {
    row.alarm?.unsubscribe();
    if (this.rows.get(row.delay) === row) this.rows.delete(row.delay);
  }
}
