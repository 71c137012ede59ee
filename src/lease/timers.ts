/** The timers of renewals and waiters: one timer of the scheduler serves all that have the same delay, and much work that is due at once is done in slices. */
import type { SchedulerLike, Subscription } from 'rxjs';
import type { Clock } from '../clock.ts';

/** How many tasks run in one slice: as many as travel in one command. */
const SLICE = 64;

/** What a timer wakes. */
export interface Sleeper {
  wake(): void;
}

/** Work that is done in slices, so that the rest of the process is not kept waiting for all of it. */
export interface Task {
  run(): void;
}

/** The timers of one delay, in the order in which they are due. A timer that is set is nearly always the last. */
interface DelayRow {
  readonly delay: number;
  first: Timer | undefined;
  last: Timer | undefined;
  alarm: Subscription | undefined;
  /** When the alarm fires; nothing in the row is due before. */
  rings: number;
}

/**
 * Wakes its sleeper once, at a time that can be changed until then. The timer itself is the link of its row's list: a link
 * object for each renewal of 10,000 leases would keep the garbage collector busy.
 */
export class Timer {
  /** @internal The row in which it stands while it is set. */
  row: DelayRow | undefined;
  /** @internal */
  due = 0;
  /** @internal */
  before: Timer | undefined;
  /** @internal */
  after: Timer | undefined;
  /** What it wakes. */
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

  /** Runs the task in a slice, among those of the same scheduler. */
  enqueue(task: Task): void {
    this.timers.enqueue(task);
  }
}

/** The timers that go by one scheduler. */
export class Timers {
  private readonly rows = new Map<number, DelayRow>();
  /** How many timers are set. */
  private count = 0;
  private tasks: Task[] = [];
  private readonly scheduler: SchedulerLike;
  private readonly clock: Clock;

  constructor(scheduler: SchedulerLike, clock: Clock) {
    this.scheduler = scheduler;
    this.clock = clock;
  }

  /** @internal */
  enter(timer: Timer, delay: number, since = this.clock.now()): void {
    this.strike(timer);
    const row = this.rows.get(delay) ?? this.add(delay);
    this.count += 1;
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
      if (due < row.rings) this.wind(row);
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
    this.count -= 1;
    if (this.count === 0) for (const each of this.rows.values()) this.end(each);
    // Otherwise the alarm stays, fires and finds nothing due: that is cheaper than setting it anew for each short lease.
  }

  /** Adds a task to those that run in slices. */
  enqueue(task: Task): void {
    if (this.tasks.push(task) === 1) this.runSome();
  }

  private add(delay: number): DelayRow {
    const row = { delay, first: undefined, last: undefined, alarm: undefined, rings: Number.POSITIVE_INFINITY };
    this.rows.set(delay, row);
    return row;
  }

  private end(row: DelayRow): void {
    row.alarm?.unsubscribe();
    if (this.rows.get(row.delay) === row) this.rows.delete(row.delay);
  }

  private wind(row: DelayRow): void {
    row.alarm?.unsubscribe();
    row.rings = row.first?.due ?? 0;
    row.alarm = this.scheduler.schedule(() => this.ring(row), Math.max(0, row.rings - this.clock.now()));
  }

  /** Wakes the timers that are due, and those of the next ms. Timers that are set meanwhile come later. */
  private ring(row: DelayRow): void {
    const now = Math.max(row.rings, this.clock.now());
    try {
      for (let { first } = row; first && first.due < now + 1; { first } = row) {
        first.clear();
        first.sleeper.wake();
      }
    } finally {
      if (row.first)
        this.wind(row); // also if a sleeper throws, as a user's teardown may
      else this.end(row);
    }
  }

  private runSome(): void {
    this.scheduler.schedule(() => {
      try {
        for (const task of this.tasks.splice(0, SLICE)) task.run();
      } finally {
        if (this.tasks.length > 0) this.runSome();
      }
    });
  }
}
