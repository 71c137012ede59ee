/** The renewals of a lease that may still take effect, in whatever order: none is believed for longer than any of them gives. */
import type { Clock } from '../clock.ts';

interface Renewing {
  readonly ttl: number;
  /** Monotonic ms from which on the server refuses it. */
  readonly until: number;
}

export class Underway {
  private sent: readonly Renewing[] = [];
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** One is sent, and has `within` ms. Returns what is to be called when it is answered. */
  add(ttl: number, within: number): () => void {
    const renewing = { ttl, until: this.clock.now() + within + 1 };
    this.sent = [...this.sent, renewing];
    return () => {
      this.sent = this.sent.filter((other) => other !== renewing);
    };
  }

  /** Of the ms that another gives, as many as count. */
  least(ttl: number): number {
    if (this.sent.length === 0) return ttl;
    const now = this.clock.now();
    this.sent = this.sent.filter(({ until }) => until > now);
    return Math.min(ttl, ...this.sent.map((other) => other.ttl));
  }
}
