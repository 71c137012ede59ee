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
  /** The highest fence of its leases. */
  highest: number;
}

/** The ttl of the leases, in ms: the longest time for which a killed worker blocks others. */
export const TTL = 2_000;
