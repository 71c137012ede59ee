/** What one tick sends travels together: with one script as one command, and all of it in one write to the socket. */
import type { Call } from './call.ts';
import type { Driver } from './driver.ts';

/** The most names in one command: a longer one would keep the server from others. */
const LARGEST = 64;

export class Outbox {
  private calls: Call[] = [];
  /** Whether this tick ends with a flush. */
  private flushing = false;
  private readonly node: Driver;
  private readonly dispatch: (calls: readonly Call[]) => void;

  constructor(node: Driver, dispatch: (calls: readonly Call[]) => void) {
    this.node = node;
    this.dispatch = dispatch;
  }

  /** Each timer that is due runs in a tick of its own: what is in no hurry waits for what those of one ms send. */
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

/** In the order in which they came, those in a row that have one script together. */
const batchesOf = (calls: Call[]): Call[][] => {
  const batches: Call[][] = [];
  for (const call of calls) {
    const batch = batches.at(-1);
    if (batch && batch.length < LARGEST && batch[0]?.command.script === call.command.script) batch.push(call);
    else batches.push([call]);
  }
  return batches;
};
