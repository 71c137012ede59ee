/** One node of a quorum, and the state there of each owner's lease: from the first request until the release has been answered. */
import { catchError, EMPTY, finalize, ignoreElements, type Observable, of, type SchedulerLike } from 'rxjs';
import { cancel } from '../cancel.ts';
import type { Release, Released, Renewal, Request } from '../store.ts';
import { type Node, NodeLease, type Vote } from './node-lease.ts';

export class Member {
  readonly node: Node;
  private readonly scheduler: SchedulerLike;
  private readonly leases = new Map<string, NodeLease>();

  constructor(node: Node, scheduler: SchedulerLike) {
    this.node = node;
    this.scheduler = scheduler;
  }

  /** @param minUptime ms for which the node must have been up to have a vote */
  acquire(request: Request, minUptime: number, within: number): Observable<Vote> {
    const lease = new NodeLease(this.node, request);
    this.leases.set(keyOf(request), lease);
    return lease.acquire(request, minUptime, within);
  }

  /** Emits whether the node has voted for the lease and draws only higher fences from now on. */
  raise(request: Request, fence: number, within: number): Observable<boolean> {
    return this.leases.get(keyOf(request))?.raise(fence, within) ?? of(false);
  }

  renew(request: Request, fence: number, within: number, downgrade: boolean): Observable<Renewal> {
    return this.leases.get(keyOf(request))?.renew(request, fence, within, downgrade) ?? of('taken');
  }

  heal(request: Request, fence: number, within: number): void {
    this.leases.get(keyOf(request))?.heal(request, fence, within);
  }

  /** Emits the outcome when nothing that was sent earlier can take effect any more. */
  release(release: Release, within: number): Observable<Released> {
    const key = keyOf(release);
    const lease = this.leases.get(key);
    if (!lease) return this.node.release(release, within);
    const forget = (): unknown => lease === this.leases.get(key) && this.leases.delete(key);
    return lease.release(release, within, this.scheduler).pipe(finalize(forget));
  }

  /** Cancels what the node may have granted. Completes when that is done, or when the node could not be reached. */
  cancel(release: Release, within: number): Observable<never> {
    const { scheduler } = this;
    // twice the time: the release is sent only when the request has been answered or has timed out
    return cancel(() => this.release(release, within), { within: 2 * within, scheduler }).pipe(
      ignoreElements(),
      catchError(() => EMPTY),
    );
  }
}

const keyOf = ({ name, owner = '' }: Release): string => `${name.length}:${name}${owner}`;
