/** What the answers of each server say about it: its clock offset, when it started, and whether it still answers. */
import type { Clock } from '../clock.ts';
import type { Call, Server } from './call.ts';
import { type Client, isCluster } from './client.ts';
import type { Driver } from './driver.ts';

/** ms without an answer after which a connection counts as half-open, whatever the timeouts of its calls. */
const SILENCE = 1_000;

/** The shortest time, in ms, between two replacements of a connection because its server is not a master. */
const STAY = 1_000;

export class Liveness {
  private readonly clock: Clock;
  private servers = new WeakMap<Driver, Server>();
  /** Monotonic ms until which no connection is replaced for that reason. */
  private staying = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** What is known of the server behind this connection. Of a whole Cluster nothing is known. */
  about(client: Client | undefined): Server {
    const node = client && !isCluster(client) ? client : undefined;
    const known = node && this.servers.get(node);
    if (known) return known;
    const server = { node, lastReplyAt: 0, clockOffset: undefined, startedAt: undefined };
    if (node) this.servers.set(node, server);
    return server;
  }

  /** Forgets all servers: the connection has ended, and the next one may lead to another server. */
  forget(): void {
    this.servers = new WeakMap();
  }

  /**
   * Finds the connections that may be half-open among those on which a call has timed out, and returns a function that
   * ends them. Call this before the late calls are removed, and the returned function after.
   */
  silent(late: readonly Call[], calls: readonly Call[]): () => void {
    const now = this.clock.now();
    const nodes = [...new Set(late.map(({ node }) => node))].filter((node) => node && this.isSilent(node, calls, now));
    return () => {
      for (const node of nodes) if (node?.status === 'ready') node.stream?.destroy();
    };
  }

  /**
   * Ends the connection to a server that is not a master any more, and tells whether it did: a new connection to the same
   * name may reach the new master. ioredis would do that by itself for an error reply, but not for one inside a batch's
   * reply. At most once in STAY ms, because the name may lead to the old master for a while, and waiters ask at once on
   * each new connection.
   */
  leave(node: Driver): boolean {
    const now = this.clock.now();
    if (now < this.staying) return false;
    this.staying = now + STAY;
    if (node.status === 'ready') node.stream?.destroy();
    return true;
  }

  /**
   * Whether a connection may be half-open: nothing has arrived on it since its unanswered calls were sent, for half of
   * the longest timeout among them, or for a second. The longest counts, so that one call with a short timeout, such as
   * the renewal of a short lease, does not end the connection for all others.
   */
  private isSilent(node: Driver, calls: readonly Call[], now: number): boolean {
    const { lastReplyAt } = this.about(node);
    const unanswered = calls.filter((call) => call.node === node && call.sentAt !== undefined);
    const first = unanswered.reduce((time, { sentAt = now }) => Math.min(time, sentAt), now);
    const since = Math.max(first, lastReplyAt); // what was heard after it was sent may have been for an earlier one
    const longest = unanswered.reduce((most, { within }) => Math.max(most, within), 0);
    return unanswered.length > 0 && now - since >= Math.min(longest / 2, SILENCE);
  }
}
