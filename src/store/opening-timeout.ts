/** How long an attempt to open a connection may take, and how long to wait before the next one. */

/** The longest opening timeout, in ms, after attempts with shorter ones have failed. */
const MOST = 10_000;

/** The shortest opening timeout, in ms: a connection takes several round trips, and a busy process is slow. */
const LEAST = 100;

/**
 * The timeout of the next attempt: half of the commandTimeout, so that a command outlives one attempt that is not
 * answered. It doubles with each attempt that fails, because the network may be slow rather than silent, and starts over
 * once there is a connection.
 */
export class OpeningTimeout {
  private readonly first: number;
  private failures = 0;

  /** @param commandTimeout ms that a command may take */
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

/** ms to wait before the next attempt. Attempts never end. The wait is jittered, so that many processes do not reconnect at once. */
export const retryStrategy = (times: number): number =>
  Math.min(1_000, 25 * 2 ** Math.min(times, 6)) * (0.5 + Math.random() / 2);
