/** The input of the demo: a committed file of transfers, and what the accounts must hold when all of them are done. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Transfer {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

/** Few accounts, so that transfers meet on them all the time. */
export const ACCOUNTS = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi'];

/** What each account holds at first. */
export const OPENING = 100_000;

export const FILE = fileURLToPath(new URL('transfers.csv', import.meta.url));

/** How many of them to make: all, unless DEMO_TRANSFERS says fewer. */
const COUNT = Number(process.env.DEMO_TRANSFERS ?? Number.POSITIVE_INFINITY);

export const transfers = (): Transfer[] =>
  readFileSync(FILE, 'utf8')
    .trim()
    .split('\n')
    .slice(1, 1 + COUNT)
    .map((line) => {
      const [id = '', from = '', to = '', amount = ''] = line.split(',');
      return { id, from, to, amount: Number(amount) };
    });

/** The balance of every account after all transfers, in whatever order: sums do not depend on it. */
export const expected = (): Map<string, number> => {
  const balances = new Map(ACCOUNTS.map((account) => [account, OPENING]));
  const add = (account: string, amount: number): unknown =>
    balances.set(account, (balances.get(account) ?? 0) + amount);
  for (const { from, to, amount } of transfers()) {
    add(from, -amount);
    add(to, amount);
  }
  return balances;
};
