/** One connection of our own beside the caller's, on which every script call ends by its deadline: answered, refused, or of unknown outcome. */
import type { Cluster } from 'ioredis';
import {
  AsyncSubject,
  catchError,
  defer,
  map,
  merge,
  type Observable,
  type SchedulerLike,
  Subject,
  type Subscription,
  take,
  throwError,
  timeout,
} from 'rxjs';
import { type Clock, clockOf } from '../clock.ts';
import { CoordinatorClosedError, RedisRefusedError, RedisUnreachableError, RedisyncError } from '../errors.ts';
import type { Replicas } from '../options.ts';
import { type Call, type Command, plain, type Reply, refusalOf, type Server } from './call.ts';
import { type Client, duplicate, isCluster, nodeFor } from './client.ts';
import type { Driver } from './driver.ts';
import { Outbox } from './outbox.ts';
import { Pending } from './pending.ts';

/** What a node of a Cluster answers when it is not the one to ask, or not yet: it has done nothing. */
const ELSEWHERE = /^(?:MOVED|ASK|TRYAGAIN|CLUSTERDOWN|READONLY)\b/;

/** ms before a command is sent again whose slot is on its way from one node to another. */
const MOVING = 25;

/** ms from one connection that is left, as its server is no master, to the next. */
const STAY = 1_000;

/** ms of silence that are more than enough. */
const SILENCE = 1_000;

/** The deadline in server time; 0, by which nothing is done in time, while that is not known. */
const notAfter = ({ deadline }: Call, { lead }: Server): number =>
  lead === undefined ? 0 : Math.floor(deadline + lead);

const isReadOnly = (reply: unknown): boolean => reply instanceof Error && reply.message.startsWith('READONLY');

export class Connection {
  /** Emits when the server turns out to be no master any more, and its connection is left for another. */
  readonly demoted$ = new Subject<void>();
  private readonly calls = new Pending();
  private client: Client | undefined;
  private outbox: Outbox | undefined;
  private closed = false;
  private servers = new WeakMap<Driver, Server>();
  private readonly closing$ = new Subject<void>();
  private alarm: Subscription | undefined;
  private nextLook = Number.POSITIVE_INFINITY;
  private complaint: Error | undefined;
  /** Whether anything failed for want of a connection since there was one. */
  private missed = false;
  private resuming = false;
  /** Whether the server is one of a Cluster that is asked as a single Redis: it takes the names of one slot at a time. */
  private apart = false;
  /** Monotonic ms until which no connection is left for another. */
  private staying = 0;
  private readonly source: Client;
  private readonly scheduler: SchedulerLike;
  private readonly clock: Clock;
  private readonly back: () => void;

  /** @param back called when there is a connection again, before anything is sent on it */
  constructor(source: Client, scheduler: SchedulerLike, back: () => void) {
    this.back = back;
    this.source = source;
    this.scheduler = scheduler;
    this.clock = clockOf(scheduler);
  }

  /** The client itself, opened at first use. */
  open(): Client {
    if (this.client) return this.client;
    const client = duplicate(this.source);
    if (!isCluster(client)) this.outbox = new Outbox(client, (calls) => this.dispatch(client, client, calls));
    client.on('ready', () => this.resume(client));
    client.on('close', () => {
      this.missed = true;
      this.servers = new WeakMap();
      this.closing$.next();
      for (const call of this.calls.all) if (call.sentAt !== undefined) this.unknown(call, 'The connection closed');
    });
    client.on('error', (error: unknown) => this.complain(plain(error)));
    client.connect().catch(() => undefined); // told by 'error'; ioredis goes on trying
    this.client = client;
    return client;
  }

  /** Runs a command, now, whether or not anybody subscribes: the outcome can be had at any time. */
  run<T>(command: Command<T>, within: number): Observable<T> {
    const outcome = new AsyncSubject<T>();
    if (this.closed) {
      outcome.error(new CoordinatorClosedError(command.lock));
      return outcome;
    }
    const client = this.open();
    const deadline = this.clock.now() + within;
    const call: Call<T> = {
      command,
      outcome,
      within,
      deadline,
      sentAt: undefined,
      notAfter: undefined,
      node: undefined,
      place: undefined,
    };
    this.calls.add(call as Call);
    if (deadline < this.nextLook) this.lookAt(deadline);
    if (client.status === 'ready' && !this.resuming) this.send(client, call as Call);
    return outcome;
  }

  close(): void {
    this.closed = true;
    this.alarm?.unsubscribe();
    for (const call of this.calls.all) this.fail(call, new CoordinatorClosedError(call.command.lock));
    this.client?.disconnect();
  }

  /** The nodes that share the keys out; none before the first answer. */
  get masters(): readonly Driver[] {
    const { client } = this;
    if (!client) return [];
    return isCluster(client) ? client.nodes('master') : [client];
  }

  /** Where it is one: the Cluster. */
  get cluster(): Cluster | undefined {
    return this.client && isCluster(this.client) ? this.client : undefined;
  }

  /** What is known of the server; of a Cluster's, by its node. */
  about(node = this.client): Server {
    const own = node && !isCluster(node) ? node : undefined;
    const known = own && this.servers.get(own);
    if (known) return known;
    const server = { node: own, heardAt: 0, lead: undefined, born: undefined };
    if (own) this.servers.set(own, server);
    return server;
  }

  /**
   * How many replicas have what was written to the server so far, by WAIT on the connection that wrote it: on another
   * it would have nothing to wait for. It keeps that connection from other commands until it is answered.
   */
  replicated(server: Server, { count, timeout: ms }: Replicas, within: number, lock: string): Observable<number> {
    const { node } = server;
    const gone = (): Error => new RedisUnreachableError(lock, 'The connection closed before the replicas confirmed', 0);
    const confirmed$ = defer(() => (node && this.about(node) === server ? node.wait(count, ms) : throwError(gone)));
    return merge(confirmed$, this.closing$).pipe(
      take(1),
      map((confirmed) => {
        if (confirmed === undefined || this.about(node) !== server) throw gone();
        server.heardAt = this.clock.now();
        return confirmed;
      }),
      catchError((error: unknown) => throwError(() => (error instanceof RedisyncError ? error : gone()))),
      timeout({
        first: Math.max(1, within),
        with: () =>
          throwError(() => new RedisUnreachableError(lock, `The replicas did not confirm within ${within} ms`, 0)),
        scheduler: this.scheduler,
      }),
    );
  }

  /** Sends what waited for the connection, and what is asked for again because there is one, each in its turn. */
  private resume(client: Client): void {
    this.complaint = undefined;
    this.resuming = true;
    if (this.missed) this.back();
    this.missed = this.resuming = false;
    const unsent = this.calls.all.filter(({ sentAt }) => sentAt === undefined);
    unsent.sort((a, b) => (a.command.turn ?? 0) - (b.command.turn ?? 0) || a.deadline - b.deadline);
    for (const call of unsent) {
      if (call.command.turn !== undefined) call.deadline = this.clock.now() + call.within; // short of time, it would lose its turn
      this.send(client, call);
    }
  }

  private send(client: Client, call: Call): void {
    const { script, keys, bounded } = call.command;
    const [key = ''] = keys;
    const node = call.command.node ?? nodeFor(client, key);
    if (!node) {
      this.later(client, call);
      return;
    }
    const server = this.about(node);
    call.node = node;
    call.sentAt = this.clock.now();
    call.notAfter = bounded ? notAfter(call, server) : undefined;
    if (client !== node || !script.batched || this.apart) this.dispatch(client, node, [call]);
    else this.outbox?.post(call);
  }

  private dispatch(client: Client, node: Driver, calls: readonly Call[]): void {
    const [first] = calls;
    if (!first) return;
    const { script, readOnly } = first.command;
    const values: (string | number)[] = [];
    for (const { command } of calls) values.push(...command.keys);
    const count = values.length;
    const args = calls.map(({ command, notAfter = 0 }) => command.args(notAfter));
    const width = Math.max(...args.map(({ length }) => length));
    for (const own of args) {
      values.push(...own);
      for (let { length } = own; length < width; length += 1) values.push('');
    }
    const refused = (error: Error): void => {
      this.apart ||= error.message.startsWith('CROSSSLOT');
      for (const call of calls) {
        if (calls.length === 1 || !this.apart) this.answer(client, node, call, error, 0);
        else if (this.calls.has(call)) this.dispatch(client, node, [call]); // nothing was done
      }
    };
    const answered = (reply: unknown): void => {
      try {
        this.answered(client, node, calls, reply);
      } catch (error) {
        refused(plain(error)); // none of the script's: a transformer of the caller's has been at it
      }
    };
    node.evalsha(script.sha, count, ...values).then(answered, (error: Error) => {
      if (readOnly && error.message.startsWith('NOPERM'))
        node.eval_ro(script.text, count, ...values).then(answered, () => refused(error));
      else if (!error.message.startsWith('NOSCRIPT')) refused(error);
      else if (calls.some((call) => this.calls.has(call)))
        node.eval(script.text, count, ...values).then(answered, refused);
    });
  }

  /** A batch opens with the server's time, and goes on with an answer for each name. */
  private answered(client: Client, node: Driver, calls: readonly Call[], reply: unknown): void {
    const server = this.about(node);
    server.heardAt = this.clock.now();
    const { batched } = calls[0]?.command.script ?? {};
    const [now, ...replies] = batched ? (reply as Reply) : [undefined, reply];
    if (typeof now === 'number') server.lead = now - server.heardAt;
    for (const [i, call] of calls.entries()) this.answer(client, node, call, replies[i], Number(now));
    if (!isCluster(client) && replies.some(isReadOnly)) this.leave(node);
  }

  /**
   * Behind a name that leads to the master, another connection finds the new one. ioredis sees only errors that stand alone.
   * The name may lead here for a while yet, and whoever waits asks at once on a new connection.
   */
  private leave(node: Driver): void {
    const now = this.clock.now();
    if (now < this.staying) return;
    this.staying = now + STAY;
    if (node.status === 'ready') node.stream.destroy();
    this.demoted$.next();
  }

  private answer(client: Client, node: Driver, call: Call, reply: unknown, now: number): void {
    if (reply instanceof Error) {
      const error = plain(reply);
      if (isCluster(client) && this.calls.has(call) && ELSEWHERE.test(error.message)) this.later(client, call);
      else this.refuse(call, error);
      return;
    }
    const value = call.command.read(reply, now, this.about(node)); // also when its time is over: it may carry grants for others
    if (!this.calls.has(call)) return;
    if (value === undefined) {
      this.send(client, call);
      return;
    }
    this.calls.delete(call);
    call.outcome.next(value);
    call.outcome.complete();
  }

  /** No node has the slot now: it moves, or its master has gone. Nothing was done, so it is sent again soon. */
  private later(client: Client, call: Call): void {
    if (isCluster(client)) client.refreshSlotsCache();
    call.sentAt = undefined;
    this.scheduler.schedule(() => {
      if (this.calls.has(call) && call.sentAt === undefined && client.status === 'ready') this.send(client, call);
    }, MOVING);
  }

  private refuse(call: Call, error: Error): void {
    const refusal = refusalOf(call.command, error);
    if (refusal) this.fail(call, refusal);
    else this.unknown(call, 'The command failed', error);
  }

  private late(call: Call): void {
    const { within } = call;
    if (call.sentAt === undefined) {
      this.missed = true;
      const message = `No connection within ${within} ms`;
      this.fail(call, new RedisUnreachableError(call.command.lock, message, undefined, this.complaint));
      return;
    }
    this.unknown(call, `No answer within ${within} ms`);
  }

  /**
   * Whether a connection may be half-open: nothing was heard on it since calls were sent, for half the time that the most
   * patient of them has, or a second. One that has less, as the renewal of a short lease, is no reason to end the others.
   */
  private isSilent(node: Driver, calls: readonly Call[], now: number): boolean {
    const { heardAt } = this.about(node);
    const unanswered = calls.filter((call) => call.node === node && (call.sentAt ?? 0) > heardAt);
    const since = unanswered.reduce((time, { sentAt = now }) => Math.min(time, sentAt), now);
    const patience = unanswered.reduce((most, { within }) => Math.max(most, within), 0);
    return unanswered.length > 0 && now - since >= Math.min(patience / 2, SILENCE);
  }

  private complain(error: Error): void {
    this.complaint = error;
    if (!/^(?:WRONGPASS|NOAUTH|NOPERM)/.test(error.message)) return;
    for (const call of this.calls.all) {
      if (call.sentAt === undefined) this.fail(call, new RedisRefusedError(call.command.lock, false, error));
    }
  }

  /** A node of a Cluster that does not answer may have been replaced; ioredis asks only when it is told MOVED. */
  private unknown(call: Call, message: string, cause?: Error): void {
    if (this.client && isCluster(this.client)) this.client.refreshSlotsCache();
    this.fail(call, new RedisUnreachableError(call.command.lock, message, call.notAfter, cause));
  }

  private fail(call: Call, error: RedisyncError): void {
    if (this.calls.delete(call)) call.outcome.error(error);
  }

  /** One timer ends every call that is due by then: most have been answered long before, and cost none. */
  private lookAt(time: number): void {
    this.alarm?.unsubscribe();
    this.nextLook = time;
    this.alarm = this.scheduler.schedule(
      () => {
        const now = this.clock.now();
        this.nextLook = Number.POSITIVE_INFINITY; // what is asked meanwhile is looked at in its own time
        let next = Number.POSITIVE_INFINITY;
        const calls = this.calls.all;
        const late = calls.filter(({ deadline }) => deadline <= now);
        const silent = [...new Set(late.map(({ node }) => node))].filter(
          (node) => node && this.isSilent(node, calls, now),
        );
        for (const call of late) this.late(call);
        for (const node of silent) if (node?.status === 'ready') node.stream.destroy();
        for (const { deadline } of calls) if (deadline > now) next = Math.min(next, deadline);
        if (next < this.nextLook) this.lookAt(next);
      },
      Math.max(0, time - this.clock.now()),
    ); // Node warns of less
  }
}
