/** The store on Redis: four verbs over the scripts, grants from replies and from the subscriber. */
import {
  concatMap,
  distinct,
  EMPTY,
  expand,
  filter,
  map,
  mergeMap,
  type Observable,
  of,
  type SchedulerLike,
  Subject,
} from 'rxjs';
import { type Clock, clockOf } from '../clock.ts';
import * as scripts from '../lua/scripts.ts';
import { type Client, type Command, Connection, type Reply } from './connection.ts';
import { globOf } from './glob.ts';
import { keysOf, nameOf, nameOfLock, SIDE_KEYS } from './keys.ts';
import type { Answer, Departure, Grant, Inspection, Mode, Renewal, Request, Store } from './store.ts';
import { Subscriber } from './subscriber.ts';

const RENEWALS: Readonly<Record<string, Renewal>> = { '1': 'renewed', '0': 'gone', '-1': 'taken' };

export class RedisStore implements Store {
  readonly grants$ = new Subject<Grant | undefined>();
  private readonly prefix: string;
  private readonly clock: Clock;
  private readonly connection: Connection;
  private readonly subscriber: Subscriber;
  /** Server ms less local monotonic ms, never too high: learnt from the last reply, forgotten with the connection. */
  private lead: number | undefined;
  /** When the server of this connection started, never too early: local monotonic ms. */
  private born: number | undefined;

  constructor(client: Client, scheduler: SchedulerLike) {
    this.prefix = client.options.keyPrefix ?? '';
    this.clock = clockOf(scheduler);
    this.connection = new Connection(client, scheduler, () => {
      this.lead = undefined;
      this.born = undefined;
    });
    this.subscriber = new Subscriber(client, this.prefix);
    this.subscriber.messages$.subscribe((message) => {
      if (!message) return this.grants$.next(undefined);
      const [key, owner, token] = message;
      this.grants$.next({ name: nameOfLock(this.prefix, key), owner, fence: Number(token) });
    });
  }

  acquire(request: Request, stay: boolean, within: number): Observable<Answer> {
    const { name, owner } = request;
    const command: Command<Answer> = {
      lock: name,
      script: scripts.acquire,
      keys: keysOf(this.prefix, name),
      notAfter: (deadline) => (this.lead === undefined ? 0 : Math.floor(deadline + this.lead)),
      args: (notAfter) => [owner, this.spec(request), notAfter, stay ? '1' : '0', request.arrival ?? ''],
      read: (reply) => {
        this.learn(reply);
        const [outcome, , detail, place, foreign, last, arrival] = reply;
        if (outcome === -1) return undefined; // too late, or the server's clock was not known: it is now
        this.share(name, reply.at(-1));
        if (outcome === 1) return { granted: true, fence: Number(detail) };
        if (stay) this.subscriber.open();
        return {
          granted: false,
          wait: Number(detail),
          place: Number(place),
          announced: foreign !== 1,
          last: Number(last),
          arrival: Number(arrival),
        };
      },
    };
    return this.connection.run(command, within);
  }

  renew(request: Request, fence: number | undefined, within: number, downgrade = false): Observable<Renewal> {
    const { name, owner, ttl } = request;
    const into = downgrade ? this.spec({ ...request, mode: 'shared' }) : '';
    const command: Command<Renewal> = {
      lock: name,
      script: scripts.renew,
      keys: keysOf(this.prefix, name),
      args: () => [owner, ttl, fence ?? 0, into, this.subscriber.channel],
      read: (reply) => {
        this.learn(reply);
        this.share(name, reply[2]);
        return RENEWALS[String(reply[0])] ?? 'gone';
      },
    };
    return this.connection.run(command, within);
  }

  release(name: string, owner: string | undefined, within: number): Observable<Departure> {
    const command: Command<Departure> = {
      lock: name,
      script: scripts.release,
      keys: keysOf(this.prefix, name),
      args: () => [owner ?? '', this.subscriber.channel],
      read: (reply) => {
        this.learn(reply);
        this.share(name, reply[3]);
        return { held: reply[0] === 1, now: Number(reply[1]), grants: Number(reply[2]) };
      },
    };
    return this.connection.run(command, within);
  }

  inspect(name: string, within: number): Observable<Inspection> {
    const command: Command<Inspection> = {
      lock: name,
      script: scripts.inspect,
      keys: keysOf(this.prefix, name),
      args: () => [],
      read: ([token, holders, waiting]) => ({
        name,
        holders: quadruples(holders).map(([owner, mode, permits, remaining]) => ({ owner, mode, permits, remaining })),
        waiting: quadruples(waiting).map(([owner, mode, permits, waited]) => ({ owner, mode, permits, waited })),
        fence: token === '' ? undefined : Number(token),
      }),
    };
    return this.connection.run(command, within);
  }

  list(pattern: string, within: number): Observable<string> {
    const wanted = globOf(pattern);
    const slice = (cursor: string): Observable<Reply> =>
      this.connection.run(
        { script: scripts.scan, keys: [], args: () => [cursor, SIDE_KEYS], read: (reply) => reply },
        within,
      );
    return slice('0').pipe(
      expand(([cursor]) => (cursor === '0' ? EMPTY : slice(String(cursor)))),
      concatMap(([, keys]) => keys as string[]),
      map((key) => nameOf(this.prefix, key)),
      filter((name): name is string => name !== undefined && wanted.test(name)),
      distinct(),
      mergeMap((name) => this.inspect(name, within), 16),
      filter(({ holders, waiting }) => holders.length + waiting.length > 0),
      map(({ name }) => name),
    );
  }

  /** ms for which the server has been up at least. Asked once a connection: a server that restarts breaks it. */
  uptime(within: number): Observable<number> {
    const { born } = this;
    if (born !== undefined) return of(this.clock.now() - born);
    const command: Command<number> = {
      script: scripts.uptime,
      keys: [],
      args: () => [],
      read: ([seconds]) => {
        this.born = this.clock.now() - 1_000 * Number(seconds);
        return 1_000 * Number(seconds);
      },
    };
    return this.connection.run(command, within);
  }

  close(): void {
    this.subscriber.close();
    this.connection.close();
    this.grants$.complete();
  }

  private spec({ mode, permits, limit, ttl, waiterTtl }: Request): string {
    return `${mode === 'exclusive' ? 'x' : 's'} ${permits} ${limit} ${ttl} ${waiterTtl} ${this.subscriber.channel}`;
  }

  /** The lead is taken at the reply's arrival, so that it can only be too low: a not-after is then early, never late. */
  private learn(reply: Reply): void {
    this.lead = Number(reply[1]) - this.clock.now();
  }

  /** Grants to waiters of this process come in the reply, without a message. */
  private share(name: string, grants: unknown): void {
    const pairs = grants as readonly string[];
    for (let i = 0; i < pairs.length; i += 2) {
      this.grants$.next({ name, owner: String(pairs[i]), fence: Number(pairs[i + 1]) });
    }
  }
}

/** Owner, mode, permits, ms: four values an entry, as the script lists them. */
const quadruples = (flat: unknown): [owner: string, mode: Mode, permits: number, ms: number][] => {
  const values = flat as readonly (string | number)[];
  return Array.from({ length: values.length / 4 }, (_, i) => {
    const [owner, mode, permits, ms] = values.slice(4 * i, 4 * i + 4);
    return [String(owner), mode === 'x' ? 'exclusive' : 'shared', Number(permits), Number(ms)];
  });
};
