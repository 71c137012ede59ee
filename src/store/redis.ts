/** The store on Redis: four verbs over the scripts, grants from replies and from the subscriber. */
import {
  catchError,
  concat,
  concatMap,
  distinct,
  EMPTY,
  expand,
  filter,
  ignoreElements,
  map,
  mergeMap,
  type Observable,
  of,
  type SchedulerLike,
  Subject,
  throwError,
} from 'rxjs';
import { type Clock, clockOf } from '../clock.ts';
import { NotReplicatedError, RedisUnreachableError } from '../errors.ts';
import * as scripts from '../lua/scripts.ts';
import type { Command, Reply, Server } from './call.ts';
import { cancel } from './cancel.ts';
import { type Client, isCluster } from './client.ts';
import { Connection } from './connection.ts';
import { COMMAND_TIMEOUT } from './dial.ts';
import type { Driver } from './driver.ts';
import { globOf } from './glob.ts';
import { keysOf, nameOf, nameOfLock, SIDE_KEYS } from './keys.ts';
import { ShardListener } from './shard-listener.ts';
import type { Answer, Grant, Inspection, Mode, Release, Released, Renewal, Request, Store } from './store.ts';
import { type Listener, releaseChannel, Subscriber } from './subscriber.ts';

const RENEWALS: Readonly<Record<string, Renewal>> = { '1': 'renewed', '0': 'gone', '-1': 'taken' };

export class RedisStore implements Store {
  readonly grants$ = new Subject<Grant | undefined>();
  private readonly prefix: string;
  private readonly clock: Clock;
  private readonly scheduler: SchedulerLike;
  private readonly connection: Connection;
  private readonly listener: Listener;

  constructor(client: Client, scheduler: SchedulerLike, commandTimeout = COMMAND_TIMEOUT) {
    const dialling = { commandTimeout, scheduler };
    this.prefix = client.options.keyPrefix ?? '';
    this.clock = clockOf(scheduler);
    this.scheduler = scheduler;
    this.connection = new Connection(client, dialling, () => this.grants$.next(undefined));
    this.listener = isCluster(client)
      ? new ShardListener(() => this.connection.cluster, this.prefix, dialling)
      : new Subscriber(client, this.prefix, dialling);
    this.connection.demoted$.subscribe(() => this.listener.move());
    this.listener.messages$.subscribe((message) => {
      if (!message) return this.grants$.next(undefined);
      const [key, owner, token] = message;
      this.grants$.next({
        name: nameOfLock(this.prefix, key),
        owner,
        fence: token === undefined ? undefined : Number(token),
      });
    });
  }

  get trouble(): Error | undefined {
    return this.connection.complaint;
  }

  acquire(request: Request, stay: boolean, within: number): Observable<Answer> {
    const { name, owner } = request;
    const keys = keysOf(this.prefix, name);
    const [key] = keys;
    const until = this.clock.now() + within;
    let asked: Server | undefined;
    let channel = '';
    const command: Command<Answer> = {
      lock: name,
      script: scripts.lease,
      unhurried: request.ticket !== undefined, // it has its ticket
      keys,
      bounded: true,
      turn: request.turn,
      args: (notAfter) => {
        channel = this.listener.channel(key);
        return ['acquire', owner, specOf(request, channel), notAfter, stay ? '1' : '0', request.ticket ?? ''];
      },
      read: (reply, _now, server) => {
        asked = server;
        if (reply === -1) return undefined; // too late, or the server's clock was not known: it is now
        if (typeof reply === 'string') return { granted: true, fence: Number(reply) };
        const [first, second, foreign, drawn, ticket] = reply as Reply;
        this.share(name, (reply as Reply).at(-1));
        if (typeof first === 'string') return { granted: true, fence: Number(first) };
        if (stay) this.listener.open(key, owner, channel);
        return {
          granted: false,
          wait: Number(first),
          rank: Number(second),
          announced: foreign !== 1,
          clock: Number(drawn),
          ticket: Number(ticket),
        };
      },
    };
    const answer$ = this.connection.run(command, within);
    if (!request.replicas) return answer$;
    return answer$.pipe(
      concatMap((answer) => {
        if (!answer.granted) return of(answer);
        const denied = (error: unknown): Observable<never> =>
          concat(
            cancel(() => this.release({ name, owner }, within), { within, scheduler: this.scheduler }).pipe(
              ignoreElements(),
              catchError(() =>
                throwError(() => new RedisUnreachableError(name, 'The lease was not given back', 0, error)),
              ),
            ),
            throwError(() => error),
          );
        return this.confirmed(request, asked, until, answer).pipe(catchError(denied));
      }),
    );
  }

  renew(request: Request, fence: number | undefined, within: number, downgrade = false): Observable<Renewal> {
    const { name, owner, ttl } = request;
    const keys = keysOf(this.prefix, name);
    const [key] = keys;
    const into = downgrade ? specOf({ ...request, mode: 'shared' }, this.listener.channel(key)) : '';
    const until = this.clock.now() + within;
    let asked: Server | undefined;
    const command: Command<Renewal> = {
      lock: name,
      script: scripts.lease,
      unhurried: true,
      keys,
      bounded: true, // late, it would undo a later one
      args: (notAfter) => ['renew', owner, ttl, fence ?? 0, into, notAfter],
      read: (reply, _now, server) => {
        asked = server;
        if (reply === -2) return undefined;
        const [outcome, grants = []] = typeof reply === 'number' ? [reply] : (reply as Reply);
        this.share(name, grants);
        return RENEWALS[String(outcome)] ?? 'gone';
      },
    };
    const renewal$ = this.connection.run(command, within);
    if (!request.replicas) return renewal$;
    return renewal$.pipe(
      concatMap((renewal) => (renewal === 'renewed' ? this.confirmed(request, asked, until, renewal) : of(renewal))),
    );
  }

  release({ name, owner, tell = false }: Release, within: number): Observable<Released> {
    const keys = keysOf(this.prefix, name);
    const command: Command<Released> = {
      lock: name,
      script: scripts.lease,
      keys,
      bounded: true, // late, it would end what the same owner was granted since
      args: (notAfter) => [
        'release',
        owner ?? '',
        tell ? `!${releaseChannel(this.prefix, name)}` : this.listener.channel(keys[0]),
        notAfter,
      ],
      read: (reply, now) => {
        if (reply === -1) return undefined;
        if (reply === 1) return { held: true, grants: 0, now };
        const [held, grants, own] = reply as Reply;
        this.share(name, own);
        return { held: held === 1, grants: Number(grants), now };
      },
    };
    return this.connection.run(command, within);
  }

  inspect(name: string, within: number): Observable<Inspection> {
    const command: Command<Inspection> = {
      lock: name,
      script: scripts.inspect,
      readOnly: true,
      keys: keysOf(this.prefix, name),
      args: () => ['inspect'],
      read: (reply) => {
        const [token, holders, waiting] = reply as Reply;
        return {
          name,
          holders: quadruples(holders).map(([owner, mode, permits, remaining]) => ({
            owner,
            mode,
            permits,
            remaining,
          })),
          waiting: quadruples(waiting).map(([owner, mode, permits, waited]) => ({ owner, mode, permits, waited })),
          fence: token === '' ? undefined : Number(token),
        };
      },
    };
    return this.connection.run(command, within);
  }

  list(pattern: string, within: number): Observable<string> {
    const wanted = globOf(pattern);
    const slice = (node: Driver, cursor: string): Observable<Reply> =>
      this.connection.run(
        { script: scripts.scan, keys: [], args: () => [cursor, SIDE_KEYS], read: (reply) => reply as Reply, node },
        within,
      );
    const all = (node: Driver): Observable<Reply> =>
      slice(node, '0').pipe(expand(([cursor]) => (cursor === '0' ? EMPTY : slice(node, String(cursor)))));
    return this.uptime(within).pipe(
      mergeMap(() => this.connection.masters), // known once one has answered
      mergeMap(all),
      concatMap(([, keys]) => keys as string[]),
      map((key) => nameOf(this.prefix, key)),
      filter((name): name is string => name !== undefined && wanted.test(name)),
      distinct(),
      mergeMap((name) => this.inspect(name, within), 16),
      filter(({ holders, waiting }) => holders.length + waiting.length > 0),
      map(({ name }) => name),
    );
  }

  /** ms for which the server has been up at least. Asked once a connection: a server that restarts breaks it. */
  uptime(within: number): Observable<number> {
    const { born } = this.connection.about();
    if (born !== undefined) return of(this.clock.now() - born);
    const command: Command<number> = {
      script: scripts.uptime,
      keys: [],
      args: () => [],
      read: (reply, _now, server) => {
        const [seconds] = reply as Reply;
        server.born = this.clock.now() - 1_000 * Number(seconds);
        return 1_000 * Number(seconds);
      },
    };
    return this.connection.run(command, within);
  }

  close(): void {
    this.listener.close();
    this.connection.close();
    this.grants$.complete();
  }

  /** The value, once as many replicas have it as the request asks for. */
  private confirmed<T>(
    { name, replicas }: Request,
    server: Server | undefined,
    until: number,
    value: T,
  ): Observable<T> {
    if (!replicas || !server) return of(value);
    return this.connection.replicated(server, replicas, Math.ceil(until - this.clock.now()), name).pipe(
      map((confirmed) => {
        if (confirmed < replicas.count) throw new NotReplicatedError(name, replicas.count, confirmed);
        return value;
      }),
    );
  }

  /** Grants to waiters of this process come in the reply, without a message. */
  private share(name: string, grants: unknown): void {
    const pairs = grants as readonly string[];
    for (let i = 0; i < pairs.length; i += 2) {
      this.grants$.next({ name, owner: String(pairs[i]), fence: Number(pairs[i + 1]) });
    }
  }
}

const specOf = ({ mode, permits, limit, ttl, waiterTtl }: Request, channel: string): string =>
  `${mode === 'exclusive' ? 'x' : 's'} ${permits} ${limit} ${ttl} ${waiterTtl} ${channel}`;

/** Owner, mode, permits, ms: four values an entry, as the script lists them. */
const quadruples = (flat: unknown): [owner: string, mode: Mode, permits: number, ms: number][] => {
  const values = flat as readonly (string | number)[];
  return Array.from({ length: values.length / 4 }, (_, i) => {
    const [owner, mode, permits, ms] = values.slice(4 * i, 4 * i + 4);
    return [String(owner), mode === 'x' ? 'exclusive' : 'shared', Number(permits), Number(ms)];
  });
};
