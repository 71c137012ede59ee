/** A connection of our own beside the caller's, on which every script call ends by its deadline: answered, refused, or of unknown outcome. */
import type { Cluster } from 'ioredis';
import { noop, Observable, Subject, type Subscriber, tap } from 'rxjs';
import { type Clock, clockOf } from '../clock.ts';
import { CoordinatorClosedError, RedisRefusedError, RedisUnreachableError } from '../errors.ts';
import type { Replicas } from '../options.ts';
import { type Call, type Command, type HandOn, type Hear, plain, type Server } from './call.ts';
import { type Client, isCluster } from './client.ts';
import { type Dialling, dial, type Line } from './dial.ts';
import type { Driver } from './driver.ts';
import { Liveness } from './liveness.ts';
import { Pending } from './pending.ts';
import { replicated } from './replication.ts';
import { Sender } from './sender.ts';

/** Errors of a connection that opens which another attempt would get again. */
const FINAL =
  /^(?:WRONGPASS|NOAUTH|NOPERM|DENIED)\b|^ERR (?:DB index|invalid DB index|SELECT is not|This instance has cluster support)/;

export class Connection {
  /** Emits when the server is not a master any more, and the connection to it is replaced. */
  readonly demoted$ = new Subject<void>();
  private readonly calls: Pending;
  private readonly liveness: Liveness;
  private line: Line<Client> | undefined;
  private sender: Sender | undefined;
  private closed = false;
  private readonly closing$ = new Subject<void>();
  /** The last error, while there is no connection. */
  lastError: Error | undefined;
  /** Whether the connection was lost, or a call failed without one, since it was last ready. */
  private missed = false;
  private resuming = false;
  private readonly source: Client;
  private readonly dialling: Dialling;
  private readonly clock: Clock;
  private readonly handOn: HandOn;
  private readonly back: () => void;

  /**
   * @param handOn called with the grants that come with an answer, after its call has been told
   * @param back called when the connection is ready again, before anything is sent on it
   */
  constructor(source: Client, dialling: Dialling, handOn: HandOn, back: () => void) {
    const { scheduler } = dialling;
    this.handOn = handOn;
    this.back = back;
    this.source = source;
    this.dialling = dialling;
    this.clock = clockOf(scheduler);
    this.liveness = new Liveness(this.clock);
    this.calls = new Pending(scheduler, this.clock, (late, all) => this.endLate(late, all));
  }

  /** Runs a command when it is subscribed to. Once sent it goes on, also if it is unsubscribed: its reply may bring grants for others. */
  run<T>(command: Command<T>, within: number, hear: Hear<T> = noop): Observable<T> {
    return new Observable((subscriber) => this.begin(command, within, hear, subscriber));
  }

  private begin<T>(command: Command<T>, within: number, hear: Hear<T>, outcome: Subscriber<T>): void {
    if (this.closed) {
      outcome.error(new CoordinatorClosedError(command.lock));
      return;
    }
    const sender = this.open();
    const call: Call<T> = {
      command,
      hear,
      outcome,
      within,
      deadline: this.clock.now() + within,
      sentAt: undefined,
      notAfter: undefined,
      node: undefined,
      index: undefined,
    };
    this.calls.add(call as Call);
    if (this.client?.status === 'ready' && !this.resuming) sender.send(call as Call);
  }

  close(): void {
    this.closed = true;
    this.calls.close(({ command }) => new CoordinatorClosedError(command.lock));
    this.line?.close();
  }

  /** The masters among which the keys are divided; none before the first answer. */
  get masters(): readonly Driver[] {
    const { client } = this;
    if (!client) return [];
    return isCluster(client) ? client.nodes('master') : [client];
  }

  /** The Cluster, if this is a connection to one. */
  get cluster(): Cluster | undefined {
    return this.client && isCluster(this.client) ? this.client : undefined;
  }

  /** What is known of the server, if it is a single one. */
  about(): Server {
    return this.liveness.about(this.client);
  }

  /** Emits how many replicas have what was written to the server so far. */
  replicated(server: Server, replicas: Replicas, within: number, lock: string): Observable<number> {
    const { closing$ } = this;
    const { scheduler } = this.dialling;
    const { node } = server;
    const same = (): boolean => this.liveness.about(node) === server;
    return replicated({ node, replicas, within, lock, same, closing$, scheduler }).pipe(
      tap(() => {
        server.lastReplyAt = this.clock.now();
      }),
    );
  }

  private get client(): Client | undefined {
    return this.line?.client;
  }

  /** Opens it at first use. */
  private open(): Sender {
    if (this.sender) return this.sender;
    const { calls, liveness, clock } = this;
    const line = dial(this.source, this.dialling);
    const { client } = line;
    const sender = new Sender(client, calls, liveness, this.dialling.scheduler, clock, this.handOn, (node) => {
      if (liveness.leave(node)) this.demoted$.next();
    });
    client.on('ready', () => this.resume(sender));
    client.on('close', () => {
      this.missed = true;
      liveness.forget();
      this.closing$.next();
      for (const call of calls.all)
        if (call.sentAt !== undefined) sender.endUnknown(call, 'The connection to Redis closed before it answered');
    });
    client.on('error', (error: unknown) => this.complain(plain(error)));
    this.line = line;
    this.sender = sender;
    return sender;
  }

  /** The connection is ready: sends the calls that waited for it, and those of waiters that ask again now, in their order. */
  private resume(sender: Sender): void {
    this.lastError = undefined;
    this.resuming = true;
    if (this.missed) this.back();
    this.missed = this.resuming = false;
    const unsent = this.calls.all.filter(({ sentAt }) => sentAt === undefined);
    unsent.sort((a, b) => (a.command.sequence ?? 0) - (b.command.sequence ?? 0) || a.deadline - b.deadline);
    for (const call of unsent) {
      if (call.command.sequence !== undefined) call.deadline = this.clock.now() + call.within; // a full timeout: if it failed for lack of time, it would lose its place in the order
      sender.send(call);
    }
  }

  private endLate(late: readonly Call[], all: readonly Call[]): void {
    const endSilent = this.liveness.silent(late, all);
    for (const call of late) {
      const { sentAt, within, command } = call;
      if (sentAt !== undefined) {
        this.sender?.endUnknown(call, `Redis did not answer within ${within} ms`);
        continue;
      }
      this.missed = true;
      const message = `There was no connection to Redis within ${within} ms`;
      this.calls.fail(call, new RedisUnreachableError(command.lock, message, undefined, this.lastError));
    }
    endSilent();
    // A Cluster that has known no node for a slot for so long may know only nodes that are not there any more.
    const nowhere = late.some(({ sentAt }) => sentAt === undefined);
    if (nowhere && this.cluster?.status === 'ready') this.line?.renew();
  }

  private complain(error: Error): void {
    this.lastError = error;
    if (!FINAL.test(error.message)) return;
    for (const call of this.calls.all) {
      if (call.sentAt === undefined) this.calls.fail(call, new RedisRefusedError(call.command.lock, false, error));
    }
  }
}
