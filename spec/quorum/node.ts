/** Servers of a quorum in virtual time: each has a clock of its own, forgets or keeps its data when it restarts, and is reached or not. */
import { Observable, type SchedulerLike } from 'rxjs';
import { CoordinatorClosedError, RedisUnreachableError } from '../../src/errors.ts';
import type { Node } from '../../src/store/quorum/node-lease.ts';
import type { Mode, Release, Request } from '../../src/store/store.ts';

/** ms of server time at the beginning. */
const EPOCH = 1_700_000_000_000;

interface Entry {
  readonly owner: string;
  mode: Mode;
  fence: number;
  due: number;
}

export class SimServer {
  up = true;
  /** How often it has started: an answer of an earlier start never arrives. */
  starts = 0;
  /** What raising it to a fence does, which a spec may make something else of. */
  lifts = (fence: number): void => this.advance(fence);
  private startedAt = Number.NEGATIVE_INFINITY;
  private clock = 0;
  private leases = new Map<string, Entry[]>();
  private readonly skew: number;
  private readonly scheduler: SchedulerLike;

  constructor(scheduler: SchedulerLike, skew: number) {
    this.scheduler = scheduler;
    this.skew = skew;
  }

  /** Its time, ms. */
  get time(): number {
    return EPOCH + this.skew + this.scheduler.now();
  }

  crash(): void {
    this.up = false;
    this.starts += 1;
  }

  start(keeps: boolean): void {
    this.up = true;
    this.startedAt = this.scheduler.now();
    if (keeps) return;
    this.clock = 0;
    this.leases = new Map();
  }

  acquire({ name, owner, mode, ttl }: Request): number | undefined {
    const held = this.holders(name);
    const own = held.find((entry) => entry.owner === owner);
    const due = this.time + ttl;
    if (own) {
      own.due = due;
      return own.fence;
    }
    if (held.some((entry) => entry.mode === 'exclusive' || mode === 'exclusive')) return undefined;
    this.clock = Math.max(this.clock + 1, 1_000 * this.time);
    this.leases.set(name, [...held, { owner, mode, fence: this.clock, due }]);
    return this.clock;
  }

  renew({ name, owner, ttl }: Request, fence: number, downgrade: boolean): boolean {
    const own = this.of(name, owner, fence);
    if (!own) return false;
    own.due = this.time + ttl;
    if (downgrade) own.mode = 'shared';
    return true;
  }

  release({ name, owner, fence = 0 }: Release): boolean {
    const own = owner === undefined ? undefined : this.of(name, owner, fence);
    this.leases.set(
      name,
      this.holders(name).filter((entry) => entry !== own),
    );
    return own !== undefined;
  }

  raise({ name, owner }: Release, own: number, fence: number): void {
    this.lifts(fence);
    const entry = owner === undefined ? undefined : this.of(name, owner, own);
    if (entry) entry.fence = fence;
  }

  advance(fence: number): void {
    this.clock = Math.max(this.clock, fence);
  }

  get uptime(): number {
    return this.scheduler.now() - this.startedAt;
  }

  private of(name: string, owner: string, fence: number): Entry | undefined {
    return this.holders(name).find((entry) => entry.owner === owner && (fence === 0 || fence === entry.fence));
  }

  private holders(name: string): Entry[] {
    return (this.leases.get(name) ?? []).filter(({ due }) => due > this.time);
  }
}

/** What becomes of messages: ms on each way, the next for each. */
export interface Weather {
  delay(): number;
}

/** How one client reaches one server. */
export class SimLink implements Node {
  readonly grants$ = new Observable<never>();
  /** Whether messages arrive. */
  open = true;
  /** ms more for each message. */
  lag = 0;
  readonly server: SimServer;
  private readonly scheduler: SchedulerLike;
  private readonly weather: Weather;

  constructor(server: SimServer, scheduler: SchedulerLike, weather: Weather) {
    this.server = server;
    this.scheduler = scheduler;
    this.weather = weather;
  }

  acquire(request: Request, _stay: boolean, within: number) {
    return this.call(within, true, () => {
      const fence = this.server.acquire(request);
      if (fence !== undefined) return { granted: true, fence } as const;
      const denied = { granted: false, wait: 1, rank: 0, announced: false, drawn: 0, ticket: 0 } as const;
      return denied;
    });
  }

  renew(request: Request, fence: number | undefined, within: number, downgrade = false) {
    return this.call(within, true, () =>
      this.server.renew(request, fence ?? 0, downgrade) ? ('renewed' as const) : ('taken' as const),
    );
  }

  release(release: Release, within: number) {
    return this.call(within, true, () => ({ held: this.server.release(release), grants: 0, now: this.server.time }));
  }

  raise(lease: Release, own: number | undefined, fence: number, within: number): Observable<unknown> {
    return this.call(within, false, () => {
      this.server.raise(lease, own ?? 0, fence);
      return true;
    });
  }

  uptime(within: number): Observable<number> {
    return this.call(within, false, () => this.server.uptime);
  }

  inspect(name: string, within: number) {
    return this.call(within, false, () => ({ name, holders: [], waiting: [], fence: undefined }));
  }

  list(): Observable<string> {
    return new Observable((subscriber) => subscriber.error(new CoordinatorClosedError()));
  }

  close(): void {}

  /** One that is bounded is refused in silence when it arrives later than `within`, as by its not-after. */
  private call<T>(within: number, bounded: boolean, verb: () => T): Observable<T> {
    return new Observable((subscriber) => {
      const { scheduler, server, weather, lag } = this;
      const there = weather.delay() + lag;
      const back = weather.delay() + lag;
      const notAfter = bounded ? server.time + within : 0;
      if (this.open) {
        scheduler.schedule(() => {
          if (!server.up || (bounded && server.time > notAfter)) return;
          const value = verb();
          const { starts } = server;
          scheduler.schedule(() => {
            if (starts !== server.starts || !this.open) return;
            subscriber.next(value);
            subscriber.complete();
          }, back);
        }, there);
      }
      const late = (): void => subscriber.error(new RedisUnreachableError(undefined, 'No answer', notAfter));
      subscriber.add(scheduler.schedule(late, within));
    });
  }
}
