/** What every contender does, so that all are measured by the same loops. */

/** The default ttl of a lock, in ms: longer than any run holds one. */
export const TTL = 30_000;

/** The work under a lock; undefined for no work at all, which does not pass through the event loop. */
export type Work = () => Promise<void> | undefined;

export interface Kept {
  renew?(): Promise<unknown>;
  release(): Promise<unknown>;
}

export interface Client {
  /** Waits for the lock, works, and resolves when the server has acknowledged the release. */
  use(name: string, work: Work): Promise<unknown>;
  /** Takes the lock and keeps it renewed; resolves when it is held. Not where the contender renews nothing by itself. */
  keep?(name: string): Promise<Kept>;
  close(): unknown;
}

export interface Contender {
  readonly name: string;
  /**
   * The commands that the client itself sends, of those that INFO commandstats counts: scripts' own are counted there
   * as well. The share, where it sends some of a kind itself and its scripts the others.
   */
  readonly sends: Readonly<Record<string, number>>;
  /** Whether waiting for a busy lock differs from another contender here: if not, it is measured there. */
  readonly only?: 'contended' | 'uncontended';
  open(url: string, ttl: number): Promise<Client>;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
