/** One node of a quorum, and its dealings with every owner that has asked it for a lease and not left it since. */
import { catchError, EMPTY, finalize, ignoreElements, type Observable, of, type SchedulerLike } from 'rxjs';
import { cancel } from './cancel.ts';
import { Dealing, type Node, type Vote } from './quorum/dealing.ts';
import type { Release, Released, Renewal, Request } from './store.ts';

export class Member {
  readonly node: Node;
  private readonly scheduler: SchedulerLike;
  private readonly dealings = new Map<string, Dealing>();

  constructor(node: Node, scheduler: SchedulerLike) {
    this.node = node;
    this.scheduler = scheduler;
  }

  /** @param patience ms for which it must have been up to have a vote */
  acquire(request: Request, patience: number, within: number): Observable<Vote> {
    const dealing = new Dealing(this.node, request);
    this.dealings.set(keyOf(request), dealing);
    return dealing.acquire(request, patience, within);
  }

  /** Emits whether it has voted for the lease and draws higher fences from now on. */
  raise(request: Request, fence: number, within: number): Observable<boolean> {
    return this.dealings.get(keyOf(request))?.raise(fence, within) ?? of(false);
  }

  renew(request: Request, fence: number, within: number, downgrade: boolean): Observable<Renewal> {
    return this.dealings.get(keyOf(request))?.renew(request, fence, within, downgrade) ?? of('taken');
  }

  heal(request: Request, fence: number, within: number): void {
    this.dealings.get(keyOf(request))?.heal(request, fence, within);
  }

  /** Emits when nothing can land behind it any more. */
  release(release: Release, within: number): Observable<Released> {
    const key = keyOf(release);
    const dealing = this.dealings.get(key);
    if (!dealing) return this.node.release(release, within);
    const forget = (): unknown => dealing === this.dealings.get(key) && this.dealings.delete(key);
    return dealing.release(release, within, this.scheduler).pipe(finalize(forget));
  }

  /** Completes when it has given back what it may have granted, or could not be asked to. */
  giveBack(release: Release, within: number): Observable<never> {
    const { scheduler } = this;
    // twice: a release is sent when what was asked for has been answered
    return cancel(() => this.release(release, within), { within: 2 * within, scheduler }).pipe(
      ignoreElements(),
      catchError(() => EMPTY),
    );
  }
}

const keyOf = ({ name, owner = '' }: Release): string => `${name.length}:${name}${owner}`;
