/** Clients of a simulated quorum: each acquires, renews, works and releases as a session does, and writes down what it believes. */
import type { SchedulerLike } from 'rxjs';
import type { QuorumStore } from '../../src/store/quorum.ts';
import type { Answer, Mode, Renewal, Request } from '../../src/store/store.ts';

export const TTL = 1_000;
export const TIMEOUT = 300;
export const RENEWAL = 300;
/** The drift that a deadline leaves: 1 % and 2 ms. */
const BELIEVED = TTL - TTL / 100 - 2;

/** A lease that was emitted. */
export interface Emission {
  readonly owner: string;
  readonly mode: Mode;
  readonly fence: number;
  /** When the attempt that got it was sent, when the lease was emitted, and until when it was believed. */
  readonly asked: number;
  readonly at: number;
  until: number;
}

/** A store that refuses a write with a fence that is lower than one that it has seen. */
export class FencedRegister {
  value = 0;
  /** Writes that were accepted although they were made of a value that is not the last one. */
  lost = 0;
  /** First looks of a lease that were refused: a later one had a lower fence. */
  refused = 0;
  private highest = 0;

  read(fence: number): number | undefined {
    if (fence < this.highest) {
      this.refused += 1;
      return undefined;
    }
    this.highest = fence;
    return this.value;
  }

  write(fence: number, saw: number): void {
    if (fence < this.highest) return;
    this.highest = fence;
    if (saw !== this.value) this.lost += 1;
    this.value += 1;
  }
}

/** What a client does with a lease. */
export interface Plan {
  readonly mode: Mode;
  /** ms for which it holds. */
  readonly hold: number;
  /** Whether it ends without a release, as a process that is killed. */
  readonly dies: boolean;
}

export class SimClient {
  private readonly store: QuorumStore;
  private readonly scheduler: SchedulerLike;
  private readonly emissions: Emission[];
  private readonly register: FencedRegister;
  private readonly id: string;
  private lives = 0;

  constructor(
    id: string,
    store: QuorumStore,
    scheduler: SchedulerLike,
    emissions: Emission[],
    register: FencedRegister,
  ) {
    this.id = id;
    this.store = store;
    this.scheduler = scheduler;
    this.emissions = emissions;
    this.register = register;
  }

  /** Asks once, and lives through what comes of it. */
  take({ mode, hold, dies }: Plan): void {
    this.lives += 1;
    const owner = `${this.id}.${this.lives}`;
    const request: Request = { name: 'n', owner, mode, permits: 1, limit: 0, ttl: TTL, waiterTtl: TTL };
    const asked = this.scheduler.now();
    const granted = (answer: Answer): void => {
      if (!answer.granted) return;
      const at = this.scheduler.now();
      if (at >= asked + BELIEVED) {
        this.release(request); // too late to be believed
        return;
      }
      const lease = { owner, mode, fence: answer.fence, asked, at, until: asked + BELIEVED };
      this.emissions.push(lease);
      this.live(request, lease, at + hold, dies);
    };
    this.store.acquire(request, false, TIMEOUT).subscribe({ next: granted, error: () => undefined });
  }

  private live(request: Request, lease: Emission, end: number, dies: boolean): void {
    const { scheduler, register } = this;
    const saw = lease.mode === 'exclusive' ? register.read(lease.fence) : undefined;
    const finish = (): void => {
      const now = scheduler.now();
      if (saw !== undefined) register.write(lease.fence, saw); // at its end, or late, where it was stopped
      lease.until = Math.min(lease.until, now);
      if (!dies) this.release(request);
    };
    const renew = (after: number): void => {
      const next = Math.min(scheduler.now() + after, end, lease.until);
      scheduler.schedule(() => {
        const now = scheduler.now();
        if (now >= end || now >= lease.until) {
          finish();
          return;
        }
        const within = Math.max(1, Math.min(TIMEOUT, lease.until - now));
        const renewed = (renewal: Renewal): void => {
          const over = renewal === 'taken' || scheduler.now() >= lease.until;
          if (!over) lease.until = now + BELIEVED;
          if (over) finish();
          else renew(RENEWAL);
        };
        this.store.renew(request, lease.fence, within).subscribe({ next: renewed, error: () => renew(20) });
      }, next - scheduler.now());
    };
    renew(RENEWAL);
  }

  private release({ name, owner }: Request): void {
    this.store.release({ name, owner }, TIMEOUT).subscribe({ error: () => undefined });
  }
}
