/** The terms of the locks in a soak, and the bounds that follow from them. All in ms. */

export const TTL = 2_000;
export const RENEWAL = 600;
export const TIMEOUT = 500;
export const SETTINGS = { ttl: TTL, renewEvery: RENEWAL, commandTimeout: TIMEOUT, waiterTtl: TTL } as const;

/** What docs/guarantees allows to overlap where the server forgets. */
export const BOUND = RENEWAL + TIMEOUT;
/** After a fault: the longest wait for a connection, and one command's time on it. Later than that, nothing excuses. */
export const RECOVERY = 1_000 + TIMEOUT;
/** Without a fault, no name is wanted for longer than this and held by nobody: a dead holder's ttl and a dead waiter's, and recovery. */
export const STALL = 2 * TTL + RECOVERY;
/** How long a process may stand still before that counts as a fault of the machine: two of them are still well below one command's time. */
export const STILL = 100;
