/** Collects the calls of one tick: those of one script become one command, and all commands are written to the socket at once. */
import { setImmediate } from 'node:timers'; // jsdom under Jest has no global one
import type { Call } from './call.ts';
import type { Driver } from './driver.ts';

/** The most names in one command. A longer one would keep the server from serving others. */
const LARGEST = 64;

export class Outbox {
  private calls: Call[] = [];
  /** Whether a flush at the end of this tick is planned. */
  private flushing = false;
  private readonly node: Driver;
  private readonly dispatch: (calls: readonly Call[]) => void;

  constructor(node: Driver, dispatch: (calls: readonly Call[]) => void) {
    this.node = node;
    this.dispatch = dispatch;
  }

  /** Adds a call. An unhurried one waits until the end of this iteration of the event loop, because each due timer runs in a tick of its own. */
  post(call: Call): void {
    const first = this.calls.push(call) === 1;
    if (call.command.unhurried) {
      if (first) setImmediate(this.flush);
    } else if (!this.flushing) {
      this.flushing = true;
      process.nextTick(this.flush);
    }
  }

  private readonly flush = (): void => {
    const batches = batchesOf(this.calls);
    const { stream } = this.node;
    this.calls = [];
    this.flushing = false;
    if (batches.length > 1) stream?.cork();
    for (const batch of batches) this.dispatch(batch);
    if (batches.length > 1) stream?.uncork();
  };
}

/** Groups calls, in their order: consecutive calls of one script are a batch. */
const batchesOf = (calls: Call[]): Call[][] => {
  const batches: Call[][] = [];
  for (const call of calls) {
    const batch = batches.at(-1);
    if (batch && batch.length < LARGEST && batch[0]?.command.script === call.command.script) batch.push(call);
    else batches.push([call]);
  }
  return batches;
};
