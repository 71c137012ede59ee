/** Lists the names that are held or waited for: by SCAN in slices, on all masters at once. */
import { concatMap, distinct, EMPTY, expand, filter, map, mergeMap, type Observable } from 'rxjs';
import * as scripts from '../../lua/scripts.ts';
import type { Reply } from '../call.ts';
import type { Connection } from '../connection.ts';
import type { Driver } from '../driver.ts';
import { globOf } from '../glob.ts';
import { CLAIMS, nameOf, nameOfLock } from '../keys.ts';
import type { Inspection } from '../store.ts';

/** How many names are inspected at the same time. */
const AT_ONCE = 16;

/** What else it needs. Each name is inspected, so that one that has lapsed since the scan is left out. */
interface Inspector {
  uptime(within: number): Observable<number>;
  inspect(name: string, within: number): Observable<Inspection>;
}

export const list = (
  inspector: Inspector,
  connection: Connection,
  prefix: string,
  pattern: string,
  within: number,
): Observable<string> => {
  const wanted = globOf(pattern);
  const slice = (node: Driver, cursor: string): Observable<Reply> =>
    connection.run(
      {
        script: scripts.scan,
        keys: [],
        args: () => [cursor, CLAIMS, prefix],
        read: (reply) => ({ value: reply as Reply }),
        node,
      },
      within,
    );
  const all = (node: Driver): Observable<Reply> =>
    slice(node, '0').pipe(expand(([cursor]) => (cursor === '0' ? EMPTY : slice(node, String(cursor)))));
  return inspector.uptime(within).pipe(
    mergeMap(() => connection.masters), // known once one has answered
    mergeMap(all),
    concatMap(([, locks, claims]) => [
      ...(locks as string[]).map((key) => nameOfLock(prefix, key)),
      ...(claims as string[]).map((key) => nameOf(prefix, key)),
    ]),
    filter((name): name is string => name !== undefined && wanted.test(name)),
    distinct(),
    mergeMap((name) => inspector.inspect(name, within), AT_ONCE),
    filter(({ holders, waiting }) => holders.length + waiting.length > 0),
    map(({ name }) => name),
  );
};
