/** What the demo's main process and its workers say to each other. */

/** What a worker is started for, in its environment. */
export interface Job {
  /** Who it is, as seen in the owners of its locks. */
  readonly label: string;
  readonly prefix: string;
  /** It takes every transfer whose place in the file leaves this remainder by `shares`. */
  readonly share: number;
  readonly shares: number;
}

/** What it is told: to make its share, with or without locks. It ends when it is disconnected. */
export interface Pass {
  readonly locked: boolean;
}

/** What it tells, now and then: first when it is ready. */
export interface Report {
  /** How many passes it has made. */
  passes: number;
  handOffs: number;
  /** The highest fencing token that it was given. */
  highest: number;
}

/** ms for which a lease outlives its last renewal, and so the longest for which a killed worker can be in the way. */
export const TTL = 2_000;
