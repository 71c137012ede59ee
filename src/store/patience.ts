/** How long an attempt to open a connection may take. */

/** The most that an attempt may take, in ms, where less did not do. */
const MOST = 10_000;

/** The least, in ms: a connection takes several round trips, and a busy process is slow. */
const LEAST = 100;

/**
 * Half of the time that a command has, so that a command outlives one attempt that is met with silence. It doubles while
 * attempts come to nothing, for the path may be slow and not silent, and starts afresh once there is a connection.
 */
export class Patience {
  private readonly first: number;
  private failures = 0;

  /** @param commandTimeout ms that a command has */
  constructor(commandTimeout: number) {
    this.first = Math.max(LEAST, commandTimeout / 2);
  }

  get ms(): number {
    return Math.min(this.first * 2 ** this.failures, Math.max(this.first, MOST));
  }

  fail(): void {
    this.failures += 1;
  }

  succeed(): void {
    this.failures = 0;
  }
}

/** ms before the next attempt. It never ends, and is jittered, so that many processes do not come back at once. */
export const retryStrategy = (times: number): number =>
  Math.min(1_000, 25 * 2 ** Math.min(times, 6)) * (0.5 + Math.random() / 2);
