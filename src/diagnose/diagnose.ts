/** Looks at the servers, on connections of its own: their settings, their state, and the rights of the user. */
import {
  catchError,
  concat,
  concatMap,
  defer,
  distinct,
  finalize,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  throwError,
} from 'rxjs';
import { clockOf } from '../clock.ts';
import { addressOf, type Client, isCluster, prefixOf } from '../store/client.ts';
import { dial } from '../store/dial.ts';
import type { Driver } from '../store/driver.ts';
import { SLOTS } from '../store/slot.ts';
import { MISSING } from '../store/subscriber.ts';
import { bounded, type DiagnoseTerms } from './bounded.ts';
import { check, factsOf } from './checks.ts';
import { type Finding, type Remark, remark } from './finding.ts';
import { channels, rights } from './rights.ts';

/** ms by which a server's clock may differ from ours without a finding. */
const SKEW = 500;

/** What was found at one node, and which server it is. */
interface Seen {
  readonly address: string;
  readonly run: string | undefined;
  readonly remarks: readonly Remark[];
}

/** Emits all findings about the given connections, each once. Several connections are the nodes of a quorum. */
export const diagnose = (sources: readonly Client[], terms: DiagnoseTerms): Observable<Finding> => {
  const runs = new Map<string, string>();
  return merge(...sources.map((source) => visit(source, sources.length > 1, terms))).pipe(
    concatMap(({ address, run, remarks }): Finding[] => {
      const findings = remarks.map((one) => ({ ...one, node: address }));
      const same = run && runs.get(run);
      if (run) runs.set(run, address);
      if (!same || same === address) return findings;
      const advice = 'Give each node of the quorum a server of its own, on a machine of its own.';
      return [...findings, { ...remark('error', 'SAME_SERVER', `the same server as ${same}`, advice), node: address }];
    }),
    distinct(({ node, code, seen }) => `${node} ${code} ${seen}`),
  );
};

const visit = (source: Client, quorum: boolean, terms: DiagnoseTerms): Observable<Seen> =>
  defer(() => {
    const address = isCluster(source) ? 'cluster' : addressOf(source);
    const at = (remarks: readonly Remark[]): Seen => ({ address, run: undefined, remarks });
    const line = dial(source, { commandTimeout: terms.within, scheduler: terms.scheduler });
    const client = line.client;
    Reflect.set(client.options, 'enableReadyCheck', false); // a server that is not ready can be looked at, too
    let lastError: Error | undefined;
    client.on('error', (error: Error) => {
      lastError ??= error; // later errors follow from the first
    });
    const opened = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const failed = (): void => reject(lastError ?? new Error('The connection closed before it was ready'));
        client.on('ready', () => (lastError && isRefusal(lastError) ? failed() : resolve())); // it is about to end
        client.on('close', failed);
        client.on('end', failed);
      });
    const nodes$ = defer(() => (isCluster(client) ? client.nodes('master') : [client]));
    const looked$ = concat(
      nodes$.pipe(mergeMap((node) => inspect(node, quorum, terms))),
      rights(source, terms).pipe(map((one) => at([one]))),
      channels(client, prefixOf(source), terms).pipe(map((one) => at([one]))),
    );
    return bounded(opened, terms).pipe(
      catchError((error: Error) => throwError(() => lastError ?? error)),
      concatMap(() => looked$),
      catchError((error: Error) =>
        of(at([DATABASE.test(error.message) ? databaseOf(client, error) : failureOf(error)])),
      ),
      finalize(() => line.close()),
    );
  });

const inspect = (node: Driver, quorum: boolean, terms: DiagnoseTerms): Observable<Seen> => {
  const info$ = bounded(() => node.info(), terms).pipe(map(factsOf));
  return info$.pipe(
    concatMap((facts) => {
      const found = check(facts, { quorum, replicas: terms.replicas });
      const coverage$ = facts.get('cluster_enabled') === '1' ? coverage(node, terms) : of([]);
      return merge(of(found), clockSkew(node, terms), coverage$).pipe(
        map((remarks) => ({ address: addressOf(node), run: facts.get('run_id'), remarks })),
      );
    }),
    catchError((error: Error) => of({ address: addressOf(node), run: undefined, remarks: [failureOf(error)] })),
  );
};

const clockSkew = (node: Driver, terms: DiagnoseTerms): Observable<Remark[]> =>
  defer(() => {
    const clock = clockOf(terms.scheduler);
    const asked = clock.wall();
    return bounded(() => node.time(), terms).pipe(
      map(([seconds, micros]) => {
        const answered = clock.wall();
        const ahead = Number(seconds) * 1_000 + Number(micros) / 1_000 - (asked + answered) / 2;
        if (Math.abs(ahead) - (answered - asked) / 2 <= SKEW) return [];
        const seen = `the server's clock is ${Math.round(Math.abs(ahead))} ms ${ahead > 0 ? 'ahead of' : 'behind'} ours`;
        const advice = 'Let NTP keep all clocks: after a failover to a server whose clock is behind, fences can fall.';
        return [remark('warning', 'CLOCK', seen, advice)];
      }),
    );
  });

const coverage = (node: Driver, terms: DiagnoseTerms): Observable<Remark[]> =>
  bounded(() => node.cluster('INFO') as Promise<string>, terms).pipe(
    map((info) => {
      const facts = factsOf(info);
      const served = Number(facts.get('cluster_slots_ok'));
      if (facts.get('cluster_state') === 'ok' && served === SLOTS) return [];
      const seen = `cluster_state ${facts.get('cluster_state')}, ${served} of ${SLOTS} slots served`;
      return [
        remark(
          'error',
          'COVERAGE',
          seen,
          'Assign the other slots, or bring their masters back: names in them cannot be locked.',
        ),
      ];
    }),
  );

/** Errors of AUTH, or for want of it. */
const LOGIN = /NOAUTH|WRONGPASS/;

/** Errors of SELECT: there are not so many databases, there is only database 0, or the user may not select. */
const DATABASE = /DB index|SELECT is not allowed|'select' command/;

/** Whether the server has refused the login or the database: some releases of ioredis say 'ready' all the same. */
const isRefusal = ({ message }: Error): boolean => LOGIN.test(message) || DATABASE.test(message);

const databaseOf = ({ options }: Client, { message }: Error): Remark => {
  const db = 'db' in options ? options.db : 0;
  const advice = `Raise databases in the server's configuration, or give the user SELECT: until database ${db} can be used, no lock is granted.`;
  return remark('error', 'DATABASE', `asked for database ${db}: ${message}`, advice);
};

const failureOf = ({ message }: Error): Remark => {
  if (MISSING.test(message)) {
    const advice =
      'Give the user INFO, TIME and CLUSTER INFO: without them the settings of the server cannot be checked.';
    return remark('warning', 'ACL', message, advice);
  }
  const advice = LOGIN.test(message)
    ? 'Set the right user and password where the client is made, as in its URL.'
    : 'Check that the server is up, and can be reached from here.';
  return remark('error', 'UNREACHABLE', message, advice);
};
