/** When leases are renewed and waiters ask again: one timer of the scheduler for all that have the same delay, and turns for many leases at once. */
import type { SchedulerLike, Subscription } from 'rxjs';
import type { Clock } from '../clock.ts';

/** How many leases are renewed without a pause: as many as travel in one command. */
const SLICE = 64;

/** What a timer wakes. */
export interface Sleeper {
  wake(): void;
}

/** What takes its turn among many. */
export interface Turn {
  take(): void;
}

/** The timers of one delay, in the order in which they are due: who is set is nearly always the last. */
interface Row {
  readonly delay: number;
  first: Timer | undefined;
  last: Timer | undefined;
  alarm: Subscription | undefined;
}

/**
 * Wakes its sleeper once, at a time that can be changed until then. It is a link of its row itself: what is made anew for
 * each renewal of 10,000 leases, and lasts until the next, keeps the garbage collector busy.
 */
export class Timer {
  /** @internal Where it stands while it is set. */
  row: Row | undefined;
  /** @internal */
  due = 0;
  /** @internal */
  before: Timer | undefined;
  /** @internal */
  after: Timer | undefined;
  /** Whom it wakes. */
  sleeper: Sleeper;
  private readonly timers: Timers;

  constructor(timers: Timers, sleeper: Sleeper) {
    this.timers = timers;
    this.sleeper = sleeper;
  }

  get isSet(): boolean {
    return this.row !== undefined;
  }

  /** Sets it to `delay` ms after that instant, and to no other time; default: now. */
  set(delay: number, since?: number): void {
    this.timers.enter(this, delay, since);
  }

  clear(): void {
    this.timers.strike(this);
  }

  /** A timer for something else, by the same scheduler. */
  another(sleeper: Sleeper): Timer {
    return new Timer(this.timers, sleeper);
  }

  /** Has that take its turn among all that go by the same scheduler. */
  inTurn(turn: Turn): void {
    this.timers.inTurn(turn);
  }
}

/** The timers that go by one scheduler. */
export class Timers {
  private readonly rows = new Map<number, Row>();
  private turns: Turn[] = [];
  private readonly scheduler: SchedulerLike;
  private readonly clock: Clock;

  constructor(scheduler: SchedulerLike, clock: Clock) {
    this.scheduler = scheduler;
    this.clock = clock;
  }

  /** @internal */
  enter(timer: Timer, delay: number, since = this.clock.now()): void {
    this.strike(timer);
    const row = this.rows.get(delay) ?? { delay, first: undefined, last: undefined, alarm: undefined };
    if (!row.last) this.rows.set(delay, row);
    const due = since + delay;
    let before = row.last;
    while (before && before.due > due) before = before.before;
    const after = before ? before.after : row.first;
    timer.row = row;
    timer.due = due;
    timer.before = before;
    timer.after = after;
    if (after) after.before = timer;
    else row.last = timer;
    if (before) before.after = timer;
    else {
      row.first = timer;
      this.wind(row);
    }
  }

  /** @internal */
  strike(timer: Timer): void {
    const { row, before, after } = timer;
    if (!row) return;
    timer.row = timer.before = timer.after = undefined;
    if (before) before.after = after;
    else row.first = after;
    if (after) after.before = before;
    else row.last = before;
    if (row.first) return; // should it have been the first, the alarm goes off for nobody
    row.alarm?.unsubscribe();
    this.rows.delete(row.delay);
  }

  /** Leases that are due at once take turns: nobody else in this process waits for all of them. */
  inTurn(turn: Turn): void {
    if (this.turns.push(turn) === 1) this.takeSome();
  }

  private wind(row: Row): void {
    row.alarm?.unsubscribe();
    const { due } = row.first ?? { due: 0 };
    row.alarm = this.scheduler.schedule(() => this.ring(row, due), Math.max(0, due - this.clock.now()));
  }

  /** Those of the next ms are as good as due. What is set by those who are woken comes later. */
  private ring(row: Row, due: number): void {
    const now = Math.max(due, this.clock.now());
    try {
      for (let { first } = row; first && first.due < now + 1; { first } = row) {
        first.clear();
        first.sleeper.wake();
      }
    } finally {
      if (row.first) this.wind(row); // also when what is woken throws: a teardown of the user's own
    }
  }

  private takeSome(): void {
    this.scheduler.schedule(() => {
      try {
        for (const turn of this.turns.splice(0, SLICE)) turn.take();
      } finally {
        if (this.turns.length > 0) this.takeSome();
      }
    });
  }
}
