/** What one tick sends travels together: with one script as one command, and all of it in one write to the socket. */
import { renew, type Script } from '../lua/scripts.ts';
import type { Call } from './call.ts';
import type { Driver } from './driver.ts';

/** The most names in one command: a longer one would keep the server from others. */
const LARGEST = 64;

export class Outbox {
  private calls: Call[] = [];
  private readonly node: Driver;
  private readonly dispatch: (calls: readonly Call[]) => void;

  constructor(node: Driver, dispatch: (calls: readonly Call[]) => void) {
    this.node = node;
    this.dispatch = dispatch;
  }

  /** Each timer that is due runs in a tick of its own, and renewals are in no hurry: theirs wait for one another. */
  post(call: Call): void {
    if (this.calls.push(call) > 1) return;
    if (call.command.script === renew) setImmediate(this.flush);
    else process.nextTick(this.flush);
  }

  private readonly flush = (): void => {
    const batches = batchesOf(this.calls);
    const { stream } = this.node;
    this.calls = [];
    if (batches.length > 1) stream.cork();
    for (const batch of batches) this.dispatch(batch);
    if (batches.length > 1) stream.uncork();
  };
}

/** Calls by script, in the order in which they came; those about one key stay in theirs, whatever their scripts. */
const batchesOf = (calls: Call[]): Call[][] => {
  if (calls.length === 1) return [calls];
  const open = new Map<Script, number>();
  const latest = new Map<string, number>();
  const batches: Call[][] = [];
  for (const call of calls) {
    const { script, keys } = call.command;
    const [key = ''] = keys;
    let place = open.get(script) ?? -1;
    if (place < (latest.get(key) ?? 0) || batches[place]?.length === LARGEST) place = batches.push([]) - 1;
    batches[place]?.push(call);
    open.set(script, place);
    latest.set(key, place);
  }
  return batches;
};
