/** Another store whose commands, answers and grants come in an order that is chosen, and what its one owner still has to wait for. */
import type fc from 'fast-check';
import { NEVER, type Observable, Subject, tap, throwError, timeout } from 'rxjs';
import { RedisUnreachableError } from '../../src/errors.ts';
import type { Answer, Grant, Inspection, Release, Released, Renewal, Request, Store } from '../../src/store/store.ts';
import type { VirtualTime } from '../contract/virtual-time.ts';

type Verb = 'acquire' | 'renew' | 'release';

export class ChosenStore implements Store {
  readonly grants$ = new Subject<Grant | undefined>();
  owner = '';
  /** Commands whose end is waited for. */
  asked = 0;
  /** Grants that are still to be told. */
  grants = 0;
  /** The last command that has ended, whether by an answer, and when. */
  last: { readonly verb: Verb; readonly answered: boolean; readonly at: number } | undefined;
  /** How many requests were sent, and when the last one arrived. */
  requests = 0;
  arrived = Number.NEGATIVE_INFINITY;
  /** ms until which a request that nobody waits for any more may arrive. */
  until = Number.NEGATIVE_INFINITY;
  /** ms at which the first of the releases was sent that had no answer in a row. */
  leavingSince = 0;
  private readonly inner: Store;
  private readonly time: VirtualTime;
  private readonly choose: fc.Scheduler;
  private readonly after: () => void;

  /** @param after called when something has come, and all that it has led to at once */
  constructor(inner: Store, time: VirtualTime, choose: fc.Scheduler, refusedToListen: boolean, after: () => void) {
    this.inner = inner;
    this.time = time;
    this.choose = choose;
    this.after = after;
    if (!refusedToListen) inner.grants$.subscribe((grant) => this.announce(grant));
  }

  /** Whether its last release had no answer. */
  get unheard(): boolean {
    return this.last?.verb === 'release' && !this.last.answered;
  }

  acquire(request: Request, stay: boolean, within: number): Observable<Answer> {
    this.owner = request.owner;
    this.requests += 1;
    return this.call('acquire', this.inner.acquire(request, stay, within), within, true);
  }

  renew(request: Request, fence: number | undefined, within: number, downgrade?: boolean): Observable<Renewal> {
    return this.call('renew', this.inner.renew(request, fence, within, downgrade), within, false);
  }

  release(release: Release, within: number): Observable<Released> {
    if (!this.unheard) this.leavingSince = this.time.now();
    return this.call('release', this.inner.release(release, within), within, true);
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

  private announce(grant: Grant | undefined): void {
    this.grants += 1;
    this.soon('grant', () => {
      this.grants -= 1;
      this.grants$.next(grant);
    });
  }

  private soon(label: string, act: () => void): void {
    this.choose.schedule(Promise.resolve(), label).then(() => {
      act();
      this.time.pass(0);
      this.after();
    });
  }

  private call<T>(verb: Verb, command$: Observable<T>, within: number, bounded: boolean): Observable<T> {
    const notAfter = this.time.now() + within;
    const answer = new Subject<T>();
    this.asked += 1;
    this.soon(verb, () => {
      if (bounded && this.time.now() > notAfter) return;
      if (verb === 'acquire') this.arrived = this.time.now();
      command$.subscribe((value) =>
        this.soon(`${verb} answered`, () => {
          answer.next(value);
          answer.complete();
        }),
      );
    });
    const ended = (answered: boolean): void => {
      this.asked -= 1;
      this.last = { verb, answered, at: this.time.now() };
      if (verb === 'acquire' && !answered) this.until = Math.max(this.until, notAfter);
    };
    const late = new RedisUnreachableError('a', 'No answer', bounded ? notAfter : undefined);
    return answer.pipe(
      timeout({ first: within, scheduler: this.time, with: () => throwError(() => late) }),
      tap({ next: () => ended(true), error: () => ended(false) }),
    );
  }
}
