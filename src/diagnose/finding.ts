/** What `diagnose()` can find. */

/**
 * `error`: locks fail, or do not exclude. `warning`: they may, under a fault. `info`: worth knowing.
 *
 * @example const grave = (severity: Severity): boolean => severity === 'error';
 */
export type Severity = 'error' | 'warning' | 'info';

/**
 * - `UNREACHABLE`: the server did not answer, or refused the connection
 * - `REFUSED`: it refused a lock for another reason than rights: full, read-only, short of replicas
 * - `ACL`: the user lacks a right, or the server renames a command
 * - `VERSION`: older than 6.2
 * - `EVICTION`: a policy that can evict locks
 * - `PERSISTENCE`: a node of a quorum forgets its locks when it restarts
 * - `REPLICA`: a replica is away or behind, there are fewer than `replicas.count`, or the server is itself a replica
 * - `MIN_REPLICAS`: a master that is cut off from its replicas goes on granting
 * - `CLOCK`: the server's clock and ours differ
 * - `COVERAGE`: slots of a Cluster that no node serves
 * - `DATABASE`: the database that was asked for is not there, or not for this user
 * - `SAME_SERVER`: two nodes of a quorum are one
 *
 * @example const expected: ReadonlySet<FindingCode> = new Set(['MIN_REPLICAS']);
 */
export type FindingCode =
  | 'UNREACHABLE'
  | 'REFUSED'
  | 'ACL'
  | 'VERSION'
  | 'EVICTION'
  | 'PERSISTENCE'
  | 'REPLICA'
  | 'MIN_REPLICAS'
  | 'CLOCK'
  | 'COVERAGE'
  | 'DATABASE'
  | 'SAME_SERVER';

/**
 * One problem that was found on a server.
 *
 * @example const line = ({ node, seen, advice }: Finding): string => `${node ?? ''} ${seen}. ${advice}`;
 */
export interface Finding {
  readonly severity: Severity;
  readonly code: FindingCode;
  /** What was seen. */
  readonly seen: string;
  /** What to do about it. */
  readonly advice: string;
  /** host:port of the server, where it is about one. */
  readonly node?: string;
}

/** A finding without the server that it is about. */
export type Remark = Omit<Finding, 'node'>;

export const remark = (severity: Severity, code: FindingCode, seen: string, advice: string): Remark => ({
  severity,
  code,
  seen,
  advice,
});
