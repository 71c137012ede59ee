/** What the demo's main process and its workers say to each other. */

/** What a worker is started for, in its environment. */
export interface Job {
  /** Who it is, as seen in the owners of its locks. */
  readonly label: string;
  readonly prefix: string;
  /** It takes every transfer whose place in the file leaves this remainder by `shares`. */
  readonly share: number;
  readonly shares: number;
  readonly locked: boolean;
}

/** What a worker tells: first that it is ready to go, then how its locks fare. */
export interface Report {
  readonly handOffs: number;
  /** The highest fencing token that it was given. */
  readonly highest: number;
}

/** ms for which a lease outlives its last renewal, and so the longest for which a killed worker can be in the way. */
export const TTL = 2_000;
