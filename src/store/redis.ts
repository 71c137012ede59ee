/** The store on Redis: verbs over the scripts, grants from replies and from the subscriber. */
import { catchError, concatMap, type Observable, of, type SchedulerLike, Subject } from 'rxjs';
import { type Clock, clockOf } from '../clock.ts';
import { COMMAND_TIMEOUT } from '../options.ts';
import type { HandOn, Server } from './call.ts';
import { type Client, isCluster, prefixOf } from './client.ts';
import { Connection } from './connection.ts';
import { Foremost } from './foremost.ts';
import { clockKey, nameOfLock } from './keys.ts';
import * as commands from './redis/commands.ts';
import { confirmed, unconfirmed } from './redis/confirmation.ts';
import { list } from './redis/list.ts';
import { ShardListener } from './shard-listener.ts';
import type { Answer, Grant, Inspection, Release, Released, Renewal, Request, Store } from './store.ts';
import { type Listener, Subscriber } from './subscriber.ts';

export class RedisStore implements Store {
  readonly grants$ = new Subject<Grant | undefined>();
  private readonly site: commands.Site;
  private readonly clock: Clock;
  private readonly scheduler: SchedulerLike;
  private readonly connection: Connection;
  private readonly listener: Listener;
  private readonly foremost = new Foremost();

  constructor(client: Client, scheduler: SchedulerLike, commandTimeout = COMMAND_TIMEOUT) {
    const dialling = { commandTimeout, scheduler };
    const prefix = prefixOf(client);
    this.site = { prefix, clock: clockKey(prefix), channel: (key) => this.listener.channel(key) };
    this.clock = clockOf(scheduler);
    this.scheduler = scheduler;
    const handOn: HandOn = (name, grants) => this.handOn(name, grants);
    this.connection = new Connection(client, dialling, handOn, () => this.grants$.next(undefined));
    this.listener = isCluster(client)
      ? new ShardListener(() => this.connection.cluster, prefix, dialling)
      : new Subscriber(client, prefix, dialling);
    this.connection.demoted$.subscribe(() => this.listener.move());
    this.listener.messages$.subscribe((message) => {
      if (!message) return this.grants$.next(undefined);
      const [key, ...grant] = message;
      const name = nameOfLock(prefix, key);
      if (name !== undefined) this.handOn(name, grant);
    });
  }

  get lastError(): Error | undefined {
    return this.connection.lastError;
  }

  get refusedToListen(): Error | undefined {
    return this.listener.refusal;
  }

  acquire(request: Request, stay: boolean, within: number): Observable<Answer> {
    const { name, owner, replicas } = request;
    const until = this.clock.now() + within;
    let channel = '';
    let asked: Server | undefined;
    const named = (key: string): string => {
      channel = this.listener.channel(key);
      return channel;
    };
    const command = commands.acquire(this.site, request, stay, named);
    const answer$ = this.connection.run(command, within, (answer, server) => {
      asked = server;
      if (answer.granted) this.foremost.leave(name, owner);
      else if (stay) {
        this.listener.open(command.keys[0] ?? '', owner, channel);
        answer.foremost = this.foremost.isAt(name, owner, answer.rank ?? 0);
      }
    });
    if (!replicas) return answer$;
    return answer$.pipe(
      concatMap((answer) => {
        if (!answer.granted) return of(answer);
        const released = (): Observable<Released> => this.release({ name, owner, fence: answer.fence }, within);
        return confirmed(answer, request, this.connection, asked, until - this.clock.now()).pipe(
          catchError((error: unknown) => unconfirmed(name, error, released, within, this.scheduler)),
        );
      }),
    );
  }

  renew(request: Request, fence = 0, within: number, downgrade = false): Observable<Renewal> {
    const until = this.clock.now() + within;
    let asked: Server | undefined;
    const command = commands.renew(this.site, request, fence, downgrade);
    const renewal$ = this.connection.run(command, within, (_, server) => {
      asked = server;
    });
    if (!request.replicas) return renewal$;
    return renewal$.pipe(
      concatMap((renewal) =>
        renewal === 'renewed'
          ? confirmed(renewal, request, this.connection, asked, until - this.clock.now())
          : of(renewal),
      ),
    );
  }

  release(release: Release, within: number): Observable<Released> {
    const { name, owner } = release;
    if (owner !== undefined) this.foremost.leave(name, owner);
    return this.connection.run(commands.release(this.site, release), within);
  }

  raise(lease: Release, own = 0, fence: number, within: number): Observable<true> {
    return this.connection.run(commands.raise(this.site, lease, own, fence), within);
  }

  inspect(name: string, within: number, most = 0): Observable<Inspection> {
    return this.connection.run(commands.inspect(this.site, name, most), within);
  }

  list(pattern: string, within: number): Observable<string> {
    return list(this, this.connection, this.site.prefix, pattern, within);
  }

  /** ms for which the server has been up, at least. It is asked once for each connection: a server that restarts breaks it. */
  uptime(within: number): Observable<number> {
    const { startedAt } = this.connection.about();
    if (startedAt !== undefined) return of(this.clock.now() - startedAt);
    return this.connection.run(commands.uptime, within, (ms, server) => {
      server.startedAt = this.clock.now() - ms;
    });
  }

  close(): void {
    this.listener.close();
    this.connection.close();
    this.grants$.complete();
  }

  /** Emits the grants of a message, or those to waiters of this process that a reply carries: for them no message is published. */
  private handOn(name: string, grants: readonly unknown[]): void {
    for (let i = 0; i < grants.length; i += 2) {
      const fence = grants[i + 1];
      this.grants$.next({ name, owner: String(grants[i]), fence: fence === '' ? undefined : Number(fence) });
    }
  }
}
