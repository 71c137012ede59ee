/** Sends calls on one client: to the node of their key, in batches, and again if a node has refused before it did anything. */
import type { SchedulerLike } from 'rxjs';
import type { Clock } from '../clock.ts';
import { RedisUnreachableError } from '../errors.ts';
import { answersOf, batchOf } from './batch.ts';
import { type Call, plain, refusalOf, type Server } from './call.ts';
import { type Client, isCluster, masterAt, nodeFor } from './client.ts';
import type { Driver } from './driver.ts';
import type { Liveness } from './liveness.ts';
import { Outbox } from './outbox.ts';
import type { Pending } from './pending.ts';

/** Errors by which a node of a Cluster says that it does not serve the slot, or not yet. It has done nothing. */
const ELSEWHERE = /^(?:MOVED|ASK|TRYAGAIN|CLUSTERDOWN|READONLY)\b/;

/** ms before a call is sent again whose slot moves from one node to another. */
const MOVING = 25;

/** The deadline in server time. While the clock offset is unknown it is 0: then the script refuses, and its answer tells the time. */
const notAfter = ({ deadline }: Call, { clockOffset }: Server): number =>
  clockOffset === undefined ? 0 : Math.floor(deadline + clockOffset);

const isReadOnly = (reply: unknown): boolean => reply instanceof Error && reply.message.startsWith('READONLY');

export class Sender {
  private readonly client: Client;
  private readonly calls: Pending;
  private readonly liveness: Liveness;
  private readonly scheduler: SchedulerLike;
  private readonly clock: Clock;
  private readonly demoted: (node: Driver) => void;
  private readonly outbox: Outbox | undefined;
  /** Whether the server is a node of a Cluster that is used through a single connection: then each command has one name. */
  private apart = false;

  /** @param demoted called with a server that says that it is not a master */
  constructor(
    client: Client,
    calls: Pending,
    liveness: Liveness,
    scheduler: SchedulerLike,
    clock: Clock,
    demoted: (node: Driver) => void,
  ) {
    this.client = client;
    this.calls = calls;
    this.liveness = liveness;
    this.scheduler = scheduler;
    this.clock = clock;
    this.demoted = demoted;
    if (!isCluster(client)) this.outbox = new Outbox(client, (batch) => this.dispatch(client, batch));
  }

  send(call: Call): void {
    const { script, keys } = call.command;
    const [key = ''] = keys;
    const node = call.command.node ?? nodeFor(this.client, key);
    if (!node) {
      this.later(call);
      return;
    }
    this.address(call, node);
    if (this.client !== node || !script.batched || this.apart) this.dispatch(node, [call]);
    else this.outbox?.post(call);
  }

  /** Ends a call of unknown outcome. In a Cluster the node may have been replaced, so the slots are asked for again; ioredis does that only after MOVED. */
  unknown(call: Call, message: string, cause?: Error): void {
    if (isCluster(this.client)) this.client.refreshSlotsCache();
    this.calls.fail(call, new RedisUnreachableError(call.command.lock, message, call.notAfter, cause));
  }

  private address(call: Call, node: Driver): void {
    call.node = node;
    call.sentAt = this.clock.now();
    call.notAfter = call.command.bounded ? notAfter(call, this.liveness.about(node)) : undefined;
  }

  private dispatch(node: Driver, calls: readonly Call[], asking = false): void {
    const [first] = calls;
    if (!first) return;
    const { script, readOnly } = first.command;
    const { keys, values } = batchOf(calls, this.apart || isCluster(this.client));
    const refused = (error: Error): void => {
      this.apart ||= error.message.startsWith('CROSSSLOT');
      for (const call of calls) {
        if (calls.length === 1 || !this.apart) this.answer(this.liveness.about(node), call, error, 0);
        else if (this.calls.has(call)) this.dispatch(node, [call]); // CROSSSLOT: nothing was done
      }
    };
    const answered = (reply: unknown): void => {
      try {
        this.answered(node, calls, reply);
      } catch (error) {
        refused(plain(error)); // not a reply of our scripts: a reply transformer of the caller may have changed it
      }
    };
    if (asking) node.asking?.().catch(() => undefined); // ASKING counts for the next command alone
    const sent = asking ? node.eval(script.text, keys, ...values) : node.evalsha(script.sha, keys, ...values);
    sent.then(answered, (error: Error) => {
      if (readOnly && error.message.startsWith('NOPERM'))
        node.eval_ro(script.text, keys, ...values).then(answered, () => refused(error));
      else if (!error.message.startsWith('NOSCRIPT')) refused(error);
      else if (calls.some((call) => this.calls.has(call)))
        node.eval(script.text, keys, ...values).then(answered, refused);
    });
  }

  private answered(node: Driver, calls: readonly Call[], reply: unknown): void {
    const server = this.liveness.about(node);
    server.lastReplyAt = this.clock.now();
    const answers = answersOf(calls, reply);
    const [time] = answers;
    const now = typeof time === 'number' ? time : undefined;
    if (now !== undefined) server.clockOffset = now - server.lastReplyAt;
    let demoted = false;
    calls.forEach((call, i) => {
      const answer = answers[i + 1];
      demoted ||= isReadOnly(answer);
      this.answer(server, call, answer, now ?? Number.NaN);
    });
    if (demoted && !isCluster(this.client)) this.demoted(node);
  }

  private answer(server: Server, call: Call, reply: unknown, now: number): void {
    if (reply instanceof Error) {
      const error = plain(reply);
      if (isCluster(this.client) && this.calls.has(call) && ELSEWHERE.test(error.message)) this.elsewhere(call, error);
      else this.refuse(call, error);
      return;
    }
    const read = call.command.read(reply, now);
    if (read) this.calls.succeed(call, call.hear(read, server));
    else if (this.calls.has(call)) this.send(call);
  }

  private refuse(call: Call, error: Error): void {
    const refusal = refusalOf(call.command, error);
    if (refusal) this.calls.fail(call, refusal);
    else this.unknown(call, 'A command to Redis failed, and its outcome is unknown', error);
  }

  /** The key has moved ahead of its slot (ASK): the node to which the slot moves serves it, after ASKING. */
  private elsewhere(call: Call, { message }: Error): void {
    const [, address] = /^ASK \d+ (\S+)/.exec(message) ?? [];
    const node = isCluster(this.client) && address ? masterAt(this.client, address) : undefined;
    if (!node || node === call.node) {
      this.later(call);
      return;
    }
    this.address(call, node);
    this.dispatch(node, [call], true);
  }

  /** No node serves the slot now: it moves, or its master has died. Nothing was done, so the call is sent again soon. */
  private later(call: Call): void {
    const { client } = this;
    if (isCluster(client)) client.refreshSlotsCache();
    call.sentAt = undefined;
    this.scheduler.schedule(() => {
      if (this.calls.has(call) && call.sentAt === undefined && client.status === 'ready') this.send(call);
    }, MOVING);
  }
}
