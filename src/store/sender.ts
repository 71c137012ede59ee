/** Sends calls on one client: to the node of their key, in batches, and again where a server has done nothing yet. */
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

/** What a node of a Cluster answers when it is not the one to ask, or not yet: it has done nothing. */
const ELSEWHERE = /^(?:MOVED|ASK|TRYAGAIN|CLUSTERDOWN|READONLY)\b/;

/** ms before a command is sent again whose slot is on its way from one node to another. */
const MOVING = 25;

/** The deadline in server time; 0, by which nothing is done in time, while that is not known. */
const notAfter = ({ deadline }: Call, { lead }: Server): number =>
  lead === undefined ? 0 : Math.floor(deadline + lead);

const isReadOnly = (reply: unknown): boolean => reply instanceof Error && reply.message.startsWith('READONLY');

export class Sender {
  private readonly client: Client;
  private readonly calls: Pending;
  private readonly liveness: Liveness;
  private readonly scheduler: SchedulerLike;
  private readonly clock: Clock;
  private readonly demoted: (node: Driver) => void;
  private readonly outbox: Outbox | undefined;
  /** Whether the server is one of a Cluster that is asked as a single Redis: it takes the names of one slot at a time. */
  private apart = false;

  /** @param demoted is told of a server that says that it is no master */
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

  /** Ends a call that was sent and has no answer. A node of a Cluster that does not answer may have been replaced; ioredis asks only when it is told MOVED. */
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
        else if (this.calls.has(call)) this.dispatch(node, [call]); // nothing was done
      }
    };
    const answered = (reply: unknown): void => {
      try {
        this.answered(node, calls, reply);
      } catch (error) {
        refused(plain(error)); // none of the script's: a transformer of the caller's has been at it
      }
    };
    if (asking) node.asking?.().catch(() => undefined); // holds for the next command alone
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
    server.heardAt = this.clock.now();
    const answers = answersOf(calls, reply);
    const [time] = answers;
    const now = typeof time === 'number' ? time : undefined;
    if (now !== undefined) server.lead = now - server.heardAt;
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
    else this.unknown(call, 'The command failed', error);
  }

  /** A key that has gone ahead of its slot is served where that goes to, by who says that it was sent there. */
  private elsewhere(call: Call, { message }: Error): void {
    const [, place] = /^ASK \d+ (\S+)/.exec(message) ?? [];
    const node = isCluster(this.client) && place ? masterAt(this.client, place) : undefined;
    if (!node || node === call.node) {
      this.later(call);
      return;
    }
    this.address(call, node);
    this.dispatch(node, [call], true);
  }

  /** No node has the slot now: it moves, or its master has gone. Nothing was done, so it is sent again soon. */
  private later(call: Call): void {
    const { client } = this;
    if (isCluster(client)) client.refreshSlotsCache();
    call.sentAt = undefined;
    this.scheduler.schedule(() => {
      if (this.calls.has(call) && call.sentAt === undefined && client.status === 'ready') this.send(call);
    }, MOVING);
  }
}
