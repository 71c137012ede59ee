/** The store on Redis: verbs over the scripts, grants from replies and from the subscriber. */
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
import { Foremost } from './foremost.ts';
import { globOf } from './glob.ts';
import { CLAIMS, clockKey, keysOf, nameOf, nameOfLock } from './keys.ts';
import { type Read, readAcquire, readInspection, readRelease, readRenewal } from './replies.ts';
import { ShardListener } from './shard-listener.ts';
import { slotOf } from './slot.ts';
import type { Answer, Grant, Inspection, Release, Released, Renewal, Request, Store } from './store.ts';
import { type Listener, releaseChannel, Subscriber } from './subscriber.ts';

export class RedisStore implements Store {
  readonly grants$ = new Subject<Grant | undefined>();
  private readonly prefix: string;
  private readonly serverClock: string;
  private readonly clock: Clock;
  private readonly scheduler: SchedulerLike;
  private readonly connection: Connection;
  private readonly listener: Listener;
  private readonly foremost = new Foremost();

  constructor(client: Client, scheduler: SchedulerLike, commandTimeout = COMMAND_TIMEOUT) {
    const dialling = { commandTimeout, scheduler };
    this.prefix = client.options.keyPrefix ?? '';
    this.serverClock = clockKey(this.prefix);
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
      const name = nameOfLock(this.prefix, key);
      if (name === undefined) return;
      this.grants$.next({
        name,
        owner,
        fence: token === undefined ? undefined : Number(token),
      });
    });
  }

  get trouble(): Error | undefined {
    return this.connection.complaint;
  }

  get deaf(): Error | undefined {
    return this.listener.refusal;
  }

  acquire(request: Request, stay: boolean, within: number): Observable<Answer> {
    const { name, owner, replicas } = request;
    const keys = keysOf(this.prefix, name);
    const [key] = keys;
    const until = this.clock.now() + within;
    let asked: Server | undefined;
    let channel = '';
    const answer$ = this.run<Answer>(within, {
      lock: name,
      script: scripts.lease,
      unhurried: request.ticket !== undefined, // it has its ticket
      keys,
      clock: this.clockFor(key),
      bounded: true,
      turn: request.turn,
      args: (notAfter) => {
        channel = this.listener.channel(key);
        return ['acquire', owner, specOf(request, channel), notAfter, stay ? '1' : '0', request.ticket ?? ''];
      },
      read: (reply, _now, server) => {
        asked = server;
        const answer = readAcquire(reply);
        if (answer?.value.granted) this.foremost.leave(name, owner);
        if (!stay || !answer || answer.value.granted) return answer;
        this.listener.open(key, owner, channel);
        const foremost = this.foremost.isAt(name, owner, answer.value.rank ?? 0);
        return { ...answer, value: { ...answer.value, foremost } };
      },
    });
    if (!replicas) return answer$;
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

  /** An exclusive lease by its one key, which is to be had on either side of a slot that moves. */
  renew(request: Request, fence = 0, within: number, downgrade = false): Observable<Renewal> {
    const { name, owner, ttl, mode } = request;
    const keys = keysOf(this.prefix, name);
    const [key] = keys;
    const until = this.clock.now() + within;
    let asked: Server | undefined;
    const common = {
      lock: name,
      unhurried: true,
      bounded: true, // late, it would undo a later one
      read: (reply: unknown, _now: number, server: Server): Read<Renewal> | undefined => {
        asked = server;
        return readRenewal(reply);
      },
    };
    const renewal$ = this.run<Renewal>(
      within,
      mode === 'exclusive' && !downgrade
        ? {
            ...common,
            script: scripts.renew,
            keys: [key],
            args: (notAfter) => ['renew', owner, fence, ttl, notAfter],
          }
        : {
            ...common,
            script: scripts.lease,
            keys,
            clock: this.clockFor(key),
            args: (notAfter) => [
              'share',
              owner,
              fence,
              specOf({ ...request, mode: 'shared' }, this.listener.channel(key)),
              notAfter,
            ],
          },
    );
    if (!request.replicas) return renewal$;
    return renewal$.pipe(
      concatMap((renewal) => (renewal === 'renewed' ? this.confirmed(request, asked, until, renewal) : of(renewal))),
    );
  }

  release({ name, owner, fence = 0, keep = 0, tell = false }: Release, within: number): Observable<Released> {
    const keys = keysOf(this.prefix, name);
    const [key] = keys;
    if (owner !== undefined) this.foremost.leave(name, owner);
    return this.run(within, {
      lock: name,
      script: scripts.lease,
      keys,
      clock: this.clockFor(key),
      bounded: true, // late, it would end what the same owner was granted since
      args: (notAfter) => [
        'release',
        owner ?? '',
        fence,
        tell ? `!${releaseChannel(this.prefix, name)}` : this.listener.channel(key),
        notAfter,
        keep,
      ],
      read: readRelease,
    });
  }

  raise({ name, owner = '' }: Release, own = 0, fence: number, within: number): Observable<true> {
    const keys = keysOf(this.prefix, name);
    return this.run(within, {
      lock: name,
      script: scripts.lease,
      keys,
      clock: this.clockFor(keys[0]),
      args: () => ['raise', owner, own, fence],
      read: () => ({ value: true }),
    });
  }

  inspect(name: string, within: number): Observable<Inspection> {
    return this.run(within, {
      lock: name,
      script: scripts.inspect,
      readOnly: true,
      keys: keysOf(this.prefix, name),
      args: () => ['inspect'],
      read: (reply) => ({ value: readInspection(name, reply) }),
    });
  }

  list(pattern: string, within: number): Observable<string> {
    const wanted = globOf(pattern);
    const slice = (node: Driver, cursor: string): Observable<Reply> =>
      this.connection.run(
        {
          script: scripts.scan,
          keys: [],
          args: () => [cursor, CLAIMS, this.prefix],
          read: (reply) => reply as Reply,
          node,
        },
        within,
      );
    const all = (node: Driver): Observable<Reply> =>
      slice(node, '0').pipe(expand(([cursor]) => (cursor === '0' ? EMPTY : slice(node, String(cursor)))));
    return this.uptime(within).pipe(
      mergeMap(() => this.connection.masters), // known once one has answered
      mergeMap(all),
      concatMap(([, locks, claims]) => [
        ...(locks as string[]).map((key) => nameOfLock(this.prefix, key)),
        ...(claims as string[]).map((key) => nameOf(this.prefix, key)),
      ]),
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

  /** The clock of the server, or of the slot of this key where keys of one command share a slot. */
  private clockFor(key: string): (ofSlot: boolean) => string {
    return (ofSlot) => (ofSlot ? clockKey(this.prefix, slotOf(key)) : this.serverClock);
  }

  /** Runs a command on a name. Grants to waiters of this process come in the reply, without a message, and are handed on here. */
  private run<T>(
    within: number,
    {
      read,
      ...command
    }: Omit<Command<T>, 'read'> & {
      readonly lock: string;
      readonly read: (reply: unknown, now: number, server: Server) => Read<T> | undefined;
    },
  ): Observable<T> {
    const { lock: name } = command;
    return this.connection.run<T>(
      {
        ...command,
        read: (reply, now, server) => {
          const { value, grants = [] } = read(reply, now, server) ?? {};
          for (let i = 0; i < grants.length; i += 2) {
            this.grants$.next({ name, owner: String(grants[i]), fence: Number(grants[i + 1]) });
          }
          return value;
        },
      },
      within,
    );
  }
}

const specOf = ({ mode, permits, limit, ttl, waiterTtl }: Request, channel: string): string =>
  `${mode === 'exclusive' ? 'x' : 's'} ${permits} ${limit} ${ttl} ${waiterTtl} ${channel}`;
