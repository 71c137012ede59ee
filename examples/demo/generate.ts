/** Writes transfers.csv: the same transfers each time, drawn from a seed. `npx tsx examples/demo/generate.ts` */
import { writeFileSync } from 'node:fs';
import { ACCOUNTS, FILE } from './transfers.ts';

const COUNT = 3_000;
const SEED = 20_260_101;

/** mulberry32: a small generator whose numbers are the same on every machine. */
const seeded = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
};

const random = seeded(SEED);
const below = (n: number): number => Math.floor(random() * n);
const lines = Array.from({ length: COUNT }, (_, i) => {
  const from = below(ACCOUNTS.length);
  const to = (from + 1 + below(ACCOUNTS.length - 1)) % ACCOUNTS.length; // never from an account to itself
  return `${i + 1},${ACCOUNTS[from]},${ACCOUNTS[to]},${1 + below(500)}`;
});
writeFileSync(FILE, `${['id,from,to,amount', ...lines].join('\n')}\n`);
