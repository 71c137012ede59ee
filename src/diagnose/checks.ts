/** Checks the fields of INFO for what can lose a lock. */
import type { Replicas } from '../options.ts';
import { type Remark, remark } from './finding.ts';

/** Fields of INFO by name. */
type Facts = ReadonlyMap<string, string>;

interface Expectations {
  /** Whether it is a node of a quorum. */
  readonly quorum: boolean;
  readonly replicas: Replicas | undefined;
}

/** From how many bytes of the replication stream, and seconds without a message, a replica counts as behind. */
const FAR_BEHIND = 1_048_576;
const LONG_SILENT = 3;

export const factsOf = (info: string): Facts =>
  new Map(
    info.split(/\r?\n/).flatMap((line): [string, string][] => {
      const colon = line.indexOf(':');
      return colon < 1 || line.startsWith('#') ? [] : [[line.slice(0, colon), line.slice(colon + 1)]];
    }),
  );

const version: Check = (facts) => {
  const seen = facts.get('redis_version') ?? '';
  const [major = 0, minor = 0] = seen.split('.').map(Number);
  if (!seen || major > 6 || (major === 6 && minor >= 2)) return [];
  return [remark('error', 'VERSION', `Redis ${seen}`, 'Use Redis 6.2 or later, or Valkey.')];
};

const eviction: Check = (facts) => {
  const policy = facts.get('maxmemory_policy') ?? 'noeviction';
  if (policy === 'noeviction') return [];
  const bounded = Number(facts.get('maxmemory') ?? 0) > 0;
  return [
    remark(
      bounded ? 'error' : 'warning',
      'EVICTION',
      `maxmemory-policy ${policy}, maxmemory ${bounded ? facts.get('maxmemory_human') : 'not set'}`,
      'Set maxmemory-policy to noeviction: a full server must refuse locks, not forget those that are held.',
    ),
  ];
};

const persistence: Check = (facts, { quorum }) => {
  if (!quorum || facts.get('aof_enabled') === '1') return [];
  return [
    remark(
      'warning',
      'PERSISTENCE',
      'appendonly no',
      'Set appendonly yes with appendfsync always, or keep delayedRestart at the longest ttl: after a restart the node has forgotten what it granted.',
    ),
  ];
};

const role: Check = (facts) =>
  facts.get('role') === 'slave'
    ? [
        remark(
          'error',
          'REPLICA',
          'the server is a replica',
          'Connect to the master: by Sentinel, a Cluster, or its own address.',
        ),
      ]
    : [];

const replication: Check = (facts, { replicas }) => {
  if (facts.get('role') !== 'master') return [];
  const count = Number(facts.get('connected_slaves') ?? 0);
  const offset = Number(facts.get('master_repl_offset') ?? 0);
  const remarks: Remark[] = [];
  if (replicas && count < replicas.count) {
    const advice = 'Attach replicas, or lower replicas.count: until then no lock is granted.';
    remarks.push(
      remark('error', 'REPLICA', `${count} replicas are connected, and replicas.count is ${replicas.count}`, advice),
    );
  }
  for (let i = 0; i < count; i += 1) {
    const fields = new Map(
      (facts.get(`slave${i}`) ?? '').split(',').map((field) => field.split('=') as [string, string]),
    );
    const address = `${fields.get('ip')}:${fields.get('port')}`;
    const behind = offset - Number(fields.get('offset'));
    const silent = Number(fields.get('lag'));
    if (fields.get('state') === 'online' && behind < FAR_BEHIND && silent < LONG_SILENT) continue;
    const seen = `replica ${address}: ${fields.get('state')}, ${behind} bytes behind, silent for ${silent} s`;
    remarks.push(
      remark(
        'warning',
        'REPLICA',
        seen,
        'See why it is behind: if it is promoted, leases that it has not seen are lost.',
      ),
    );
  }
  if (count > 0 && !facts.has('min_slaves_good_slaves')) {
    const advice = 'Set min-replicas-to-write 1, and min-replicas-max-lag below the ttl: then it soon stops.';
    remarks.push(remark('info', 'MIN_REPLICAS', 'a master that is cut off from its replicas goes on granting', advice));
  }
  return remarks;
};

type Check = (facts: Facts, expected: Expectations) => Remark[];

/** All checks on INFO. */
export const check: Check = (facts, expected) =>
  [version, eviction, persistence, role, replication].flatMap((one) => one(facts, expected));
