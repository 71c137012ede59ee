/** What is known of each server by its answers: its clock, since when it runs, and whether it answers at all. */
import type { Clock } from '../clock.ts';
import type { Call, Server } from './call.ts';
import { type Client, isCluster } from './client.ts';
import type { Driver } from './driver.ts';

/** ms of silence that are more than enough. */
const SILENCE = 1_000;

/** ms from one connection that is left, as its server is no master, to the next. */
const STAY = 1_000;

export class Liveness {
  private readonly clock: Clock;
  private servers = new WeakMap<Driver, Server>();
  /** Monotonic ms until which no connection is left for another. */
  private staying = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** What is known of the server; of a Cluster's, by its node. */
  about(client: Client | undefined): Server {
    const node = client && !isCluster(client) ? client : undefined;
    const known = node && this.servers.get(node);
    if (known) return known;
    const server = { node, heardAt: 0, lead: undefined, born: undefined };
    if (node) this.servers.set(node, server);
    return server;
  }

  /** The connection has ended: behind the next one may be another server. */
  forget(): void {
    this.servers = new WeakMap();
  }

  /**
   * Ends the connections that may be half-open, of those on which a call ends without an answer. Returns how.
   * It is to be asked before these calls are given up, and done after.
   */
  silent(late: readonly Call[], calls: readonly Call[]): () => void {
    const now = this.clock.now();
    const nodes = [...new Set(late.map(({ node }) => node))].filter((node) => node && this.isSilent(node, calls, now));
    return () => {
      for (const node of nodes) if (node?.status === 'ready') node.stream?.destroy();
    };
  }

  /**
   * Ends the connection to a server that is no master any more, and tells whether it did. Behind a name that leads to the
   * master, another connection finds the new one; ioredis sees only errors that stand alone. The name may lead here for
   * a while yet, and whoever waits asks at once on a new connection.
   */
  leave(node: Driver): boolean {
    const now = this.clock.now();
    if (now < this.staying) return false;
    this.staying = now + STAY;
    if (node.status === 'ready') node.stream?.destroy();
    return true;
  }

  /**
   * Whether a connection may be half-open: nothing was heard on it since calls were sent, for half the time that the most
   * patient of them has, or a second. One that has less, as the renewal of a short lease, is no reason to end the others.
   */
  private isSilent(node: Driver, calls: readonly Call[], now: number): boolean {
    const { heardAt } = this.about(node);
    const unanswered = calls.filter((call) => call.node === node && call.sentAt !== undefined);
    const first = unanswered.reduce((time, { sentAt = now }) => Math.min(time, sentAt), now);
    const since = Math.max(first, heardAt); // what was heard after it was sent may have been for an earlier one
    const patience = unanswered.reduce((most, { within }) => Math.max(most, within), 0);
    return unanswered.length > 0 && now - since >= Math.min(patience / 2, SILENCE);
  }
}
