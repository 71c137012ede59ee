/** Another store behind a bad network: commands and answers are late, overtake each other and get lost, and so do grants. */
import { defer, NEVER, type Observable, type SchedulerLike, Subject, tap, throwError, timeout } from 'rxjs';
import { RedisUnreachableError } from '../../src/errors.ts';
import type { Answer, Grant, Inspection, Release, Released, Renewal, Request, Store } from '../../src/store/store.ts';

/** What happens to a command or a message: ms until it and its answer arrive, undefined if they are lost; and ms until the connection closes. */
export interface Fate {
  readonly there: number | undefined;
  readonly back: number | undefined;
  readonly cut: number | undefined;
}

const WELL: Fate = { there: 1, back: 1, cut: undefined };

export class UnreliableStore implements Store {
  readonly grants$ = new Subject<Grant | undefined>();
  /** How far each owner has come: whether a release was sent for it, and whether one was answered. */
  readonly owners = new Map<string, 'asked' | 'leaving' | 'left'>();
  private readonly inner: Store;
  private readonly time: SchedulerLike;
  private readonly fates: Fate[];

  /** @param fates one for each command and each message, in their order; after them all goes well */
  constructor(inner: Store, time: SchedulerLike, fates: readonly Fate[]) {
    this.inner = inner;
    this.time = time;
    this.fates = [...fates];
    inner.grants$.subscribe((grant) => this.travel(this.fate().there, () => this.grants$.next(grant)));
  }

  /** Refused, as is a release, by the script's not-after, where it arrives later than that. */
  acquire(request: Request, stay: boolean, within: number): Observable<Answer> {
    if (!this.owners.has(request.owner)) this.owners.set(request.owner, 'asked');
    return this.call(within, () => this.inner.acquire(request, stay, within), within);
  }

  renew(request: Request, fence: number | undefined, within: number, downgrade?: boolean): Observable<Renewal> {
    return this.call(within, () => this.inner.renew(request, fence, within, downgrade));
  }

  release(release: Release, within: number): Observable<Released> {
    const mine = release.owner ?? '';
    if (this.owners.get(mine) !== 'left') this.owners.set(mine, 'leaving');
    const left = tap<Released>(() => this.owners.set(mine, 'left'));
    return this.call(within, () => this.inner.release(release, within), within).pipe(left);
  }

  inspect(name: string, within: number, most?: number): Observable<Inspection> {
    return this.inner.inspect(name, within, most);
  }

  list(): Observable<string> {
    return NEVER;
  }

  close(): void {
    this.inner.close();
  }

  private fate(): Fate {
    return this.fates.shift() ?? WELL;
  }

  private travel(ms: number | undefined, arrive: () => void): void {
    if (ms !== undefined) this.time.schedule(arrive, ms);
  }

  private call<T>(within: number, command: () => Observable<T>, notAfter?: number): Observable<T> {
    return defer(() => {
      const { there, back, cut } = this.fate();
      const answer = new Subject<T>();
      const sent = this.time.now();
      const late = notAfter !== undefined && there !== undefined && there > notAfter;
      this.travel(late ? undefined : there, () =>
        command().subscribe((value) =>
          this.travel(back, () => {
            answer.next(value);
            answer.complete();
          }),
        ),
      );
      this.travel(cut, () => answer.error(unknown));
      const unknown = new RedisUnreachableError('a', 'No answer', notAfter === undefined ? undefined : sent + notAfter);
      return answer.pipe(timeout({ first: within, scheduler: this.time, with: () => throwError(() => unknown) }));
    });
  }
}
