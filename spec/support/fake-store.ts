/** A store that answers by a script: each verb takes the next line of its script, and repeats the last line for ever. */
import {
  defer,
  delay,
  mergeMap,
  NEVER,
  type Observable,
  of,
  type SchedulerLike,
  Subject,
  throwError,
  timeout,
  timer,
} from 'rxjs';
import { RedisUnreachableError } from '../../src/errors.ts';
import type { Answer, Grant, Inspection, Release, Released, Renewal, Request, Store } from '../../src/store/store.ts';

/** A lease is granted, with this fencing token. */
export const granted = (fence = 1): Answer => ({ granted: true, fence });

/** Others hold the lock, and will hand over; nothing lapses soon. */
export const denied = (facts: Partial<Exclude<Answer, { granted: true }>> = {}): Answer => ({
  granted: false,
  wait: 1_000_000,
  rank: 0,
  announced: true,
  drawn: 0,
  ticket: 0,
  ...facts,
});

/** The owner has left. By default the server's time is far ahead: nothing can arrive late any more. */
export const left = (facts: Partial<Released> = {}): Released => ({ held: true, grants: 0, now: 1e12, ...facts });

/** These owners hold the lock, the last of them since `fence` µs. */
export const heldBy = (owners: readonly string[] = [], fence?: number, remaining = 500): Inspection => ({
  name: 'a',
  holders: owners.map((owner) => ({ owner, mode: 'exclusive', permits: 1, remaining })),
  waiting: [],
  fence,
});

/** A command without an answer: its outcome is unknown when its time is over. */
export const silence = NEVER;

/** What a call asked for. */
type Asked = Partial<Request> & {
  readonly within: number;
  readonly fence?: number | undefined;
  readonly keep?: number | undefined;
};

export class FakeStore implements Store {
  readonly grants$ = new Subject<Grant | undefined>();
  /** "ms verb" of every call: what reached the store, and when. */
  readonly log: string[] = [];
  /** What each of them asked for. */
  readonly asked: Asked[] = [];
  closed = false;
  lastError: Error | undefined;
  noQueue: true | undefined;
  acquires: Observable<Answer>[];
  renewals: Observable<Renewal>[];
  departures: Observable<Released>[];
  inspections: Observable<Inspection>[];
  private readonly time: SchedulerLike;

  /** @param time where the answers, and the calls' ends without one, are timed */
  constructor(time: SchedulerLike) {
    this.time = time;
    this.acquires = [this.after(1, granted())];
    this.renewals = [this.after(1, 'renewed')];
    this.departures = [this.after(1, left())];
    this.inspections = [this.after(1, heldBy())];
  }

  /** An answer that takes `ms`. */
  after<T>(ms: number, answer: T): Observable<T> {
    return of(answer).pipe(delay(ms, this.time));
  }

  /** A failure that takes `ms`. */
  failure(ms: number, error: Error): Observable<never> {
    return timer(ms, this.time).pipe(mergeMap(() => throwError(() => error)));
  }

  acquire(request: Request, stay: boolean, within: number): Observable<Answer> {
    return this.call(stay ? 'acquire' : 'try', this.acquires, { ...request, within }, within);
  }

  renew(request: Request, fence: number | undefined, within: number, downgrade = false): Observable<Renewal> {
    return this.call(downgrade ? 'downgrade' : 'renew', this.renewals, { ...request, fence, within });
  }

  release({ name, owner, fence, keep }: Release, within: number): Observable<Released> {
    const asked = { name, within, fence, keep, ...(owner !== undefined && { owner }) };
    return this.call('release', this.departures, asked);
  }

  inspect(name: string, within: number): Observable<Inspection> {
    return this.call('inspect', this.inspections, { name, within });
  }

  list(): Observable<string> {
    return NEVER;
  }

  close(): void {
    this.closed = true;
    this.grants$.complete();
  }

  private call<T>(verb: string, script: Observable<T>[], asked: Asked, late?: number): Observable<T> {
    return defer(() => {
      this.log.push(`${this.time.now()} ${verb}`);
      this.asked.push(asked);
      const notAfter = late === undefined ? undefined : this.time.now() + late;
      const answer = (script.length > 1 ? script.shift() : script[0]) ?? NEVER;
      return answer.pipe(
        timeout({
          first: asked.within,
          scheduler: this.time,
          with: () => throwError(() => new RedisUnreachableError('a', 'No answer', notAfter)),
        }),
      );
    });
  }
}
