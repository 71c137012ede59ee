/** A purchase over two databases: both are locked, each write is fenced, and if a step fails the steps before it are undone. */
import { Redis } from 'ioredis';
import sqlite from 'node-sqlite3-wasm'; // any SQL does; from Node 22.13 on, node:sqlite is at hand
import { allOf, LockCoordinator, whileHeld } from 'redisync';
import { catchError, lastValueFrom, type Observable, of } from 'rxjs';

const [redis = new Redis(), ...more] = (process.env.REDIS_URL ?? 'redis://127.0.0.1:6379')
  .split(',')
  .map((url) => new Redis(url));
const locks = new LockCoordinator(more.length > 0 ? [redis, ...more] : redis, { ttl: 5_000 }); // one Redis, or a quorum

/** A table with one row: 10 of something, and the highest fence that has written it. */
const database = (): sqlite.Database => {
  const sql = new sqlite.Database();
  sql.exec('CREATE TABLE held (amount INTEGER CHECK (amount >= 0), fence INTEGER); INSERT INTO held VALUES (10, 0)');
  return sql;
};
const stock = database();
const account = database();

/** One step: adds to the amount. If the fence is lower than one that was seen, nothing changes: its lease is over. */
type Step = readonly [sql: sqlite.Database, amount: number, fence: number];
const add = ([sql, amount, fence]: Step): void => {
  const fenced = 'UPDATE held SET amount = amount + ?, fence = ? WHERE fence <= ?';
  if (sql.run(fenced, [amount, fence, fence]).changes === 0) throw new Error(`fence ${fence} is too low`);
};

/** Makes the steps one after another. If one fails, it undoes those before it, the last one first. */
const saga = async (...steps: Step[]): Promise<string> => {
  const done: Step[] = [];
  try {
    for (const step of steps) {
      add(step);
      done.unshift(step);
    }
    return 'bought';
  } catch (error) {
    for (const [sql, amount, fence] of done) add([sql, -amount, fence]);
    throw error;
  }
};

const buy = (pieces: number, price: number): Observable<string> =>
  allOf(locks.mutex('example:stock'), locks.mutex('example:account')).pipe(
    whileHeld(([goods, money]) => saga([stock, -pieces, goods.fence], [account, -price, money.fence])),
    catchError((error: Error) => of(`not bought: ${error.message}`)),
  );

const amountIn = (sql: sqlite.Database): unknown => sql.get('SELECT amount FROM held')?.amount;
const show = (outcome: string): void =>
  console.log(`${outcome}; in stock ${amountIn(stock)}, in the account ${amountIn(account)}`);

show(await lastValueFrom(buy(2, 6)));
show(await lastValueFrom(buy(2, 6))); // the account has 4 left: the goods are put back
show(await saga([stock, -1, 1]).catch((error: Error) => `refused: ${error.message}`)); // with the fence of an old lease
await locks.close();
for (const each of [redis, ...more]) each.disconnect();
