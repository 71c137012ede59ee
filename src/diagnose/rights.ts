/** Tries whether the user has the rights that locks need: the script calls of two owners on a name of its own, and the channels. */

import { catchError, concat, concatMap, defer, EMPTY, finalize, from, ignoreElements, type Observable, of } from 'rxjs';
import { v4 as uuid } from 'uuid';
import { RedisRefusedError } from '../errors.ts';
import { type Client, isCluster } from '../store/client.ts';
import { RedisStore } from '../store/redis.ts';
import type { Request } from '../store/store.ts';
import { channelName, MISSING } from '../store/subscriber.ts';
import { bounded, type DiagnoseTerms } from './bounded.ts';
import { type Remark, remark } from './finding.ts';

const PROBE = {
  name: 'redisync:diagnose',
  mode: 'exclusive',
  permits: 1,
  limit: 0,
  ttl: 1_000,
  waiterTtl: 1_000,
} as const satisfies Omit<Request, 'owner'>;

/** The remark about a failed attempt at a lock. */
const remarkOf = (error: Error): Remark => {
  const { message } = error;
  if (/NOPERM|NOAUTH|WRONGPASS|can't (?:run|access)|ACL failure/.test(message)) {
    return remark(
      'error',
      'ACL',
      message,
      'Give the user the rights that docs/security.md lists, or the right password.',
    );
  }
  if (!(error instanceof RedisRefusedError)) {
    return remark('error', 'UNREACHABLE', message, 'Check that the server is up, and can be reached from here.');
  }
  return remark('error', 'REFUSED', message, 'Mend this on the server: until then no lock is granted.');
};

/** Tries everything that locks do with keys. */
export const rights = (client: Client, { within, scheduler }: DiagnoseTerms): Observable<Remark> =>
  defer(() => {
    const owner = uuid();
    const store = new RedisStore(client, scheduler);
    const [first, second] = [
      { ...PROBE, owner },
      { ...PROBE, owner: `${owner}:2` },
    ];
    return concat(
      defer(() => store.acquire(first, false, within)), // one after another: a store sends at once
      defer(() => store.acquire(second, true, within)),
      defer(() => store.renew(first, undefined, within)),
      defer(() => store.release({ name: PROBE.name, owner }, within)),
      defer(() => store.release({ name: PROBE.name, owner: second.owner }, within)),
    ).pipe(
      ignoreElements(),
      catchError((error: Error) => of(remarkOf(error))),
      finalize(() => store.close()),
    );
  });

/** Tries to publish and subscribe on the channels, on a connection that is not used for anything else afterwards. */
export const channels = (client: Client, prefix: string, terms: DiagnoseTerms): Observable<Remark> => {
  const name = channelName(prefix);
  const steps = isCluster(client)
    ? [() => client.spublish(name, '')]
    : [() => client.publish(name, ''), () => client.subscribe(name)];
  return from(steps).pipe(
    concatMap((step) => bounded<unknown>(step, terms)),
    concatMap(() => EMPTY),
    catchError((error: Error) => {
      if (!MISSING.test(error.message)) return of(remarkOf(error));
      const advice =
        'Give the user PUBLISH and SUBSCRIBE on the channels (docs/security.md): without them waiters learn of a grant only when they ask again.';
      return of(remark('warning', 'ACL', error.message, advice));
    }),
  );
};
