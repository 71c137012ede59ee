/** The contract, over memory in virtual time. */
import { lastValueFrom, toArray } from 'rxjs';
import { Memory, MemoryStore } from '../../src/store/memory.ts';
import { contract } from './store.contract.ts';
import { VirtualTime } from './virtual-time.ts';

contract('memory', async () => {
  const time = new VirtualTime();
  const memory = new Memory();
  return {
    open: async () => new MemoryStore(memory, time),
    drop: async (store) => store.close(),
    ask: (answer) => {
      const values = lastValueFrom(answer.pipe(toArray()));
      time.pass(0);
      return values;
    },
    now: () => time.now(),
    pass: async (ms) => time.pass(ms),
    // Here who has lapsed is dropped when the name is next asked for; what counts is who has not.
    residue: async () =>
      [...memory.names].flatMap(([name, { holders, queue }]) =>
        [...holders.values(), ...queue.values()].some(({ due }) => due > time.now()) ? [name] : [],
      ),
    stop: async () => undefined,
  };
});
