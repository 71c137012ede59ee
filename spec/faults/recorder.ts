/** What a client process sees of its locks, as a history; and a register that refuses writes with an old fence. */
import { type Cluster, Redis } from 'ioredis';
import { defer, finalize, type Observable, tap } from 'rxjs';
import {
  allOf,
  type CoordinatorOptions,
  type Lease,
  type Lock,
  LockCoordinator,
  type LockEvent,
  LockLostError,
  type LockOptions,
  type LossReason,
} from '../../src/index.ts';
import { lived } from '../support/lateness.ts';
import { type Hearing, overheard } from './heard.ts';
import type { Life, Turn } from './history.ts';
import { now } from './now.ts';

export { now };

/** A store that never goes back to a lower fence: reading with one is enough to refuse those below it from then on. */
export class Register {
  readonly turns: Turn[] = [];
  value = 0;
  private highest = 0;

  /** The value, or undefined for a fence that is too low. */
  read(fence: number): number | undefined {
    if (fence < this.highest) return undefined;
    this.highest = fence;
    return this.value;
  }

  write(fence: number, value: number): boolean {
    if (fence < this.highest) return false;
    this.highest = fence;
    this.value = value;
    return true;
  }

  /** Reads, lets `between` pass, and writes one more; whether the write was accepted. */
  async turn({ fence }: Pick<Lease, 'fence'>, between: () => Promise<unknown>): Promise<boolean> {
    const asked = now();
    const saw = this.read(fence);
    if (saw === undefined) return false;
    await between();
    const accepted = this.write(fence, saw + 1);
    if (accepted) this.turns.push({ fence, asked, saw, done: now() });
    return accepted;
  }
}

/** Resolves with the lease, and holds it until it is released, lost, or its coordinator closes. */
export const acquired = (lock$: Observable<Lease>): Promise<Lease> =>
  new Promise((resolve, reject) => void lock$.subscribe({ next: resolve, error: reject }));

/** Resolves with the loss, and when it was told: by the clock, and by what this process has lived. */
export const loss = (lease: Lease): Promise<{ reason: LossReason; when: number; at: number }> =>
  new Promise((resolve) => {
    const told = (): void =>
      resolve({ reason: (lease.signal.reason as LockLostError).reason, when: now(), at: lived() });
    if (lease.signal.aborted) told();
    else lease.signal.addEventListener('abort', told);
  });

type What = Pick<Life, 'name' | 'mode' | 'permits' | 'limit'>;

/** The locks of a coordinator of its own, each of whose leases is written down. */
export class Recorder implements Hearing {
  readonly locks: LockCoordinator;
  private readonly label: string;
  private readonly wrote: (life: Life) => void;
  private readonly lives = new Map<string, Life>();
  private readonly leases = new Map<string, Lease>();
  private count = 0;

  /** @param wrote called with each life, and again whenever more is known of it */
  constructor(
    redis: Redis | Cluster | Redis[],
    options: CoordinatorOptions,
    label: string,
    wrote: (life: Life) => void,
  ) {
    this.locks = new LockCoordinator(redis instanceof Redis ? overheard(redis, this) : redis, options);
    this.label = label;
    this.wrote = wrote;
    this.locks.events$.subscribe((event) => this.hear(event));
  }

  mutex(name: string, options?: LockOptions): Observable<Lease> {
    return this.lock({ name, mode: 'exclusive', permits: 1, limit: 0 }, options);
  }

  /** One attempt at a mutex. */
  tryMutex(name: string, options?: LockOptions): Observable<Lease> {
    return this.lock({ name, mode: 'exclusive', permits: 1, limit: 0 }, options, (mutex) => mutex.try());
  }

  semaphore(name: string, limit: number, permits = 1): Observable<Lease> {
    return this.lock({ name, mode: 'shared', permits, limit });
  }

  read(name: string): Observable<Lease> {
    return this.lock({ name, mode: 'shared', permits: 1, limit: 0 });
  }

  /** A lock of any kind; `use` says how it is asked for. Default: it waits for its turn. */
  lock(what: What, options: LockOptions = {}, use = (lock: Lock): Observable<Lease> => lock): Observable<Lease> {
    return defer(() => {
      const life = this.begin(what);
      return use(this.make(what, { ...options, owner: life.owner })).pipe(
        tap((lease) => this.granted(life, lease)),
        finalize(() => this.left(life)),
      );
    });
  }

  /** Mutexes, all or none. Each is taken for held from when all are. */
  all(names: readonly string[]): Observable<readonly Lease[]> {
    return defer(() => {
      const lives = names.map((name) => this.begin({ name, mode: 'exclusive', permits: 1, limit: 0 }));
      return allOf(...lives.map((life) => this.make(life, { owner: life.owner }))).pipe(
        tap((leases) => {
          for (const [i, life] of lives.entries()) if (leases[i]) this.granted(life, leases[i]);
        }),
        finalize(() => {
          for (const life of lives) this.left(life);
        }),
      );
    });
  }

  /** Leadership. Each term is a lease that is taken for asked for when there was none. */
  leadership(name: string): Observable<Lease | null> {
    let asked = now();
    return this.locks.leadership(name).pipe(
      tap((lease) => {
        if (!lease) asked = now();
        else this.granted({ name, mode: 'exclusive', permits: 1, limit: 0, owner: lease.owner, asked }, lease);
      }),
    );
  }

  deaf(since: number, owner?: string): void {
    for (const life of owner === undefined ? this.lives.values() : [this.lives.get(owner)]) {
      if (!life || life.granted !== undefined) continue;
      const last = life.deaf?.at(-1);
      if (last && last.until === undefined) continue;
      life.deaf = [...(life.deaf ?? []), { since }];
      this.wrote(life);
    }
  }

  heard(owner: string, clock: number): void {
    const life = this.lives.get(owner);
    const last = life?.deaf?.at(-1);
    if (!life?.deaf || !last || last.until !== undefined) return;
    life.deaf = [...life.deaf.slice(0, -1), { ...last, until: clock }];
    this.wrote(life);
  }

  private make({ name, mode, permits, limit }: What, options: LockOptions): Lock {
    if (mode === 'exclusive') return this.locks.mutex(name, options);
    if (limit === 0) return this.locks.readWriteLock(name, options).read;
    return this.locks.semaphore(name, limit, { ...options, permits });
  }

  private begin({ name, mode, permits, limit }: What): Life {
    this.count += 1;
    const life: Life = { name, mode, permits, limit, owner: `${this.label}-${this.count}`, asked: now() };
    this.lives.set(life.owner, life);
    this.wrote(life);
    return life;
  }

  private granted(life: Life, lease: Lease): void {
    const at = now();
    Object.assign(life, { granted: at, seen: at, until: at + lease.remaining(), fence: lease.fence });
    this.lives.set(life.owner, life);
    this.leases.set(life.owner, lease);
    lease.signal.addEventListener('abort', () => {
      life.ended = Math.min(now(), life.until ?? 0); // its deadline may have passed before anybody said so
      const { reason } = lease.signal;
      if (reason instanceof LockLostError && reason.reason !== 'released') life.lost = reason.reason;
      this.leases.delete(life.owner);
      this.lives.delete(life.owner);
      this.wrote(life);
    });
    this.wrote(life);
  }

  private left(life: Life): void {
    if (life.granted !== undefined) return;
    life.left = now();
    this.lives.delete(life.owner);
    this.wrote(life);
  }

  private hear({ type, owner }: LockEvent): void {
    const life = this.lives.get(owner);
    if (!life) return;
    if (type === 'waiting') life.queued ??= now();
    else if (type !== 'renewed') return;
    const lease = this.leases.get(owner);
    if (lease) {
      life.seen = now();
      life.until = life.seen + lease.remaining();
    }
    this.wrote(life);
  }
}
