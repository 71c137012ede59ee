/** The accounts, kept in Redis by a program that reads, waits and writes back: if two of these interleave, money is lost. */
import type { Redis } from 'ioredis';
import { ACCOUNTS, OPENING, type Transfer } from './transfers.ts';

/** An account as it was read. `version` is the last transfer that wrote it. */
export interface Account {
  readonly balance: number;
  readonly version: string;
}

/** The fences of the leases under which a transfer is made, for its two accounts; 0 without a lease. */
export type Fences = readonly [from: number, to: number];

/**
 * One script writes both balances of a transfer and marks it as done, so a worker that is killed at any moment has made all
 * of it or nothing. A worker that repeats it finds the mark and changes nothing.
 *
 * Balances are set, not added to, because they come from what was read. The script could compare versions and refuse, but
 * then it would be the lock; it only counts the updates that it overwrites. It does refuse a fence that is lower than one
 * that the account has seen: the lease of that writer has ended, and another has written since.
 *
 * KEYS  1 2 the accounts  3 done  4 tally    ARGV  1 transfer  2 3 versions read  4 5 new balances  6 7 fences
 */
const WRITE_BACK = `
for i = 1, 2 do
  if tonumber(ARGV[5 + i]) < tonumber(redis.call('HGET', KEYS[i], 'fence')) then
    redis.call('HINCRBY', KEYS[4], 'refused', 1)
    return 'refused'
  end
end
if redis.call('SADD', KEYS[3], ARGV[1]) == 0 then return 'done before' end
for i = 1, 2 do
  if redis.call('HGET', KEYS[i], 'version') ~= ARGV[1 + i] then redis.call('HINCRBY', KEYS[4], 'lost', 1) end
  redis.call('HSET', KEYS[i], 'balance', ARGV[3 + i], 'version', ARGV[1], 'fence', ARGV[5 + i])
end
return 'written'`;

/** The lease under which a transfer was made is over: it is to be made again. */
export class FenceTooLow extends Error {}

export class Bank {
  private readonly redis: Redis;
  private readonly prefix: string;

  /** @param prefix of all keys of this run, so that a shared server is left as it was */
  constructor(redis: Redis, prefix: string) {
    this.redis = redis;
    this.prefix = prefix;
  }

  /** Every account at its opening balance, nothing done. */
  async open(): Promise<void> {
    const start = this.redis.multi().del(this.key('done'), this.key('tally'));
    for (const account of ACCOUNTS) start.hset(this.key(account), { balance: OPENING, version: '0', fence: 0 });
    await start.exec();
  }

  async read(account: string): Promise<Account> {
    const [balance, version] = await this.redis.hmget(this.key(account), 'balance', 'version');
    return { balance: Number(balance), version: version ?? '' };
  }

  /** Writes both accounts back. @throws FenceTooLow */
  async writeBack({ id, from, to, amount }: Transfer, a: Account, b: Account, fences: Fences): Promise<void> {
    const keys = [from, to, 'done', 'tally'].map((name) => this.key(name));
    const balances = [a.balance - amount, b.balance + amount];
    const outcome = await this.redis.eval(WRITE_BACK, 4, ...keys, id, a.version, b.version, ...balances, ...fences);
    if (outcome === 'refused') throw new FenceTooLow(`Transfer ${id} came with a fence that is too low`);
  }

  balances(): Promise<number[]> {
    return Promise.all(ACCOUNTS.map(async (account) => (await this.read(account)).balance));
  }

  done(): Promise<string[]> {
    return this.redis.smembers(this.key('done'));
  }

  count(): Promise<number> {
    return this.redis.scard(this.key('done'));
  }

  async tally(): Promise<{ lost: number; refused: number }> {
    const [lost, refused] = await this.redis.hmget(this.key('tally'), 'lost', 'refused');
    return { lost: Number(lost), refused: Number(refused) };
  }

  /** Removes every key of this run, those of its locks among them. */
  async clear(): Promise<void> {
    for await (const keys of this.redis.scanStream({ match: `*${this.prefix}*`, count: 1_000 })) {
      if (keys.length > 0) await this.redis.del(...keys);
    }
  }

  private key(name: string): string {
    return `${this.prefix}${name}`;
  }
}

/** The name of an account's lock. */
export const lockName = (account: string): string => `lock:${account}`;
