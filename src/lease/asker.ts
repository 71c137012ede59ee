/** For whom a lock is asked for, and what that comes to. */
import type { Instant } from '../clock.ts';
import type { Attachment } from './attachment.ts';
import type { Attachments } from './attachments.ts';
import type { Leaver } from './departure.ts';
import type { Timer } from './timers.ts';

/** A lease that can be believed for `ttl` ms, less the drift, from `since`. */
export interface Granted {
  readonly fence: number;
  readonly since: Instant;
  readonly ttl: number;
}

/** For whom it asks, and who is told what that comes to. */
export interface Asker extends Leaver {
  readonly timer: Timer;
  /** Whether it still wants a lease. */
  readonly waits: boolean;
  readonly attached: Attachments;
  grant(granted: Granted): void;
  /** No attempt can bring a lease any more. */
  fail(error: unknown): void;
  /** A single attempt has come to nothing; without an error others hold the lock. */
  forgo(single: Attachment, error?: unknown): void;
}
