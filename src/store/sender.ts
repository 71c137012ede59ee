/**
 * Sends calls on one client: to the node of their key, in batches, and again if a node says that it has done nothing. A
 * reply is what Redis sends back to a whole command; an answer is the part of it for one call.
 */
import type { SchedulerLike } from 'rxjs';
import type { Clock } from '../clock.ts';
import { RedisUnreachableError } from '../errors.ts';
import { answersOf, batchOf } from './batch.ts';
import { type Call, errorOf, type HandOn, plain, type Server } from './call.ts';
import { type Client, isCluster, masterAt, nodeFor } from './client.ts';
import type { Driver } from './driver.ts';
import type { Liveness } from './liveness.ts';
import { Outbox } from './outbox.ts';
import type { Pending } from './pending.ts';

/** Errors by which a node of a Cluster says that it does not serve the slot, or not yet. It has done nothing. */
const ELSEWHERE = /^(?:MOVED|ASK|TRYAGAIN|CLUSTERDOWN|READONLY)\b/;

/** ms before a call is sent again whose slot no node serves now. */
const RESEND_AFTER = 25;

/** The deadline in server time. While the clock offset is unknown it is 0: then the script does nothing, and its reply tells the time. */
const notAfter = ({ deadline }: Call, { clockOffset }: Server): number =>
  clockOffset === undefined ? 0 : Math.floor(deadline + clockOffset);

const saysReplica = (answer: unknown): boolean => answer instanceof Error && answer.message.startsWith('READONLY');

export class Sender {
  private readonly client: Client;
  private readonly calls: Pending;
  private readonly liveness: Liveness;
  private readonly scheduler: SchedulerLike;
  private readonly clock: Clock;
  private readonly demoted: (node: Driver) => void;
  private readonly handOn: HandOn;
  private readonly outbox: Outbox | undefined;
  /** Whether each call is sent alone, because the server has turned out to be a node of a Cluster behind a single connection. */
  private oneByOne = false;

  /**
   * @param handOn called with the grants of an answer, after its call has been told: a holder that leaves comes first
   * @param demoted called with a server that says that it is not a master
   */
  constructor(
    client: Client,
    calls: Pending,
    liveness: Liveness,
    scheduler: SchedulerLike,
    clock: Clock,
    handOn: HandOn,
    demoted: (node: Driver) => void,
  ) {
    this.client = client;
    this.calls = calls;
    this.liveness = liveness;
    this.scheduler = scheduler;
    this.clock = clock;
    this.handOn = handOn;
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
    if (this.client !== node || !script.batched || this.oneByOne) this.dispatch(node, [call]);
    else this.outbox?.post(call);
  }

  /** Ends a call of unknown outcome. In a Cluster the node may have been replaced, so the slots are asked for again; ioredis does that only after MOVED. */
  endUnknown(call: Call, message: string, cause?: Error): void {
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
    if (node === this.client && node.stream?.writable === false) {
      for (const call of calls) call.sentAt = undefined; // the connection has just ended, so they wait for the next one
      return;
    }
    const { script, readOnly } = first.command;
    const ofSlot = this.oneByOne || isCluster(this.client);
    const { keys, values } = batchOf(calls, ofSlot);
    const failed = (error: Error): void => {
      const crossed = error.message.startsWith('CROSSSLOT') && (calls.length > 1 || !ofSlot); // nothing was done
      if (crossed) this.oneByOne = true;
      for (const call of calls) {
        if (!crossed) this.answer(this.liveness.about(node), call, error, 0);
        else if (this.calls.has(call)) this.dispatch(node, [call]);
      }
    };
    const answered = (reply: unknown): void => this.answered(node, calls, reply);
    if (asking) node.asking?.().catch(() => undefined); // ASKING counts for the next command alone
    const sent = asking ? node.eval(script.text, keys, ...values) : node.evalsha(script.sha, keys, ...values);
    sent.then(answered, (error: Error) => {
      if (readOnly && error.message.startsWith('NOPERM'))
        node.eval_ro(script.text, keys, ...values).then(answered, () => failed(error));
      else if (!error.message.startsWith('NOSCRIPT')) failed(error);
      else if (calls.some((call) => this.calls.has(call)))
        node.eval(script.text, keys, ...values).then(answered, failed);
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
      demoted ||= saysReplica(answer);
      this.answer(server, call, answer, now ?? Number.NaN);
    });
    if (demoted && !isCluster(this.client)) this.demoted(node);
  }

  private answer(server: Server, call: Call, answer: unknown, now: number): void {
    if (answer instanceof Error) {
      const error = plain(answer);
      if (isCluster(this.client) && this.calls.has(call) && ELSEWHERE.test(error.message)) this.elsewhere(call, error);
      else this.fail(call, error);
      return;
    }
    try {
      const read = call.command.read(answer, now);
      if (read) {
        call.hear(read.value, server);
        this.calls.succeed(call, read.value);
        if (read.grants) this.handOn(call.command.lock ?? '', read.grants);
      } else if (this.calls.has(call)) this.send(call);
    } catch (error) {
      // The answer is not one of our scripts (a reply transformer of the caller may have changed it), or we have a bug. Only this
      // call fails. Its outcome is unknown, so that what it may have been granted is released.
      this.endUnknown(call, 'The reply of Redis could not be read', plain(error));
    }
  }

  private fail(call: Call, reply: Error): void {
    const error = errorOf(call.command, reply);
    if (error) this.calls.fail(call, error);
    else this.endUnknown(call, 'A command to Redis failed, and its outcome is unknown', reply);
  }

  /**
   * The node does not serve the key. After ASK, the key has moved ahead of its slot: it is sent, with ASKING before it, to
   * the node to which the slot moves. After any other error it is sent again soon.
   */
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

  /** Sends a call again soon for which nothing was done: no node of its slot is known, or the node does not serve the slot now. */
  private later(call: Call): void {
    const { client } = this;
    if (isCluster(client)) client.refreshSlotsCache();
    call.sentAt = undefined;
    this.scheduler.schedule(() => {
      if (this.calls.has(call) && call.sentAt === undefined && client.status === 'ready') this.send(call);
    }, RESEND_AFTER);
  }
}
