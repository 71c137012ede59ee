/**
 * Overhears what a coordinator asks of Redis, to know when a grant to one of its waiters could not be announced: before it
 * listens, and since its connection for messages was lost. Others may pass such a waiter: see src/lua/include/listen.lua.
 */
import type { Redis } from 'ioredis';
import { now } from './now.ts';

/** What becomes known of the place of an owner that waits; of all of them where none is named. */
export interface Hearing {
  /** From then on it may have been passed, in ms. */
  deaf(since: number, owner?: string): void;
  /** A request of it was answered that was sent while its coordinator listened: by then the server had drawn this number. */
  heard(owner: string, clock: number): void;
}

/** ms for which a grant lasts where the coordinator has never listened: UNTOLD in src/lua/include/listen.lua. */
export const UNTOLD = 300;

/** Behind "acquire" stand an owner and its spec, of which the channel is the last word. "-" in front of it: nobody listens yet. */
const SPEC = /^[xs] \d+ \d+ \d+ \d+ (-)?\S+$/;

/** A client whose duplicates, which are the coordinator's, are overheard. */
export const overheard = (redis: Redis, hearing: Hearing): Redis => {
  const duplicate = redis.duplicate.bind(redis);
  const ear = new Ear(hearing);
  redis.duplicate = (options) => ear.put(duplicate(options));
  return redis;
};

class Ear {
  private readonly hearing: Hearing;
  /** When what was answered last on the connection for messages was sent; undefined while it does not listen. */
  private listening: { since: number } | undefined;

  constructor(hearing: Hearing) {
    this.hearing = hearing;
  }

  put(redis: Redis): Redis {
    const send = redis.sendCommand.bind(redis);
    redis.sendCommand = (command, stream) => {
      if (/^eval/.test(command.name)) {
        const [, keys, ...all] = command.args.map(String);
        this.follow(all.slice(Number(keys)), command.promise);
      } else if (/subscribe$/.test(command.name)) {
        const since = now();
        const isFirst = command.name === 'subscribe';
        command.promise.then(
          () => {
            if (isFirst) this.listening = { since };
            else if (this.listening) this.listening.since = since;
          },
          () => undefined, // told by 'close'
        );
        if (isFirst) redis.once('close', () => this.close());
      }
      return send(command, stream);
    };
    return redis;
  }

  /** The connection for messages is lost. It may have been since it was last answered. */
  private close(): void {
    if (this.listening) this.hearing.deaf(this.listening.since);
    this.listening = undefined;
  }

  /** @param values the arguments of all calls of a batch, as many of each */
  private follow(values: readonly string[], reply: Promise<unknown>): void {
    for (const [at, value] of values.entries()) {
      const [, owner = '', spec = ''] = values.slice(at, at + 3);
      const channel = value === 'acquire' && SPEC.exec(spec);
      if (!channel) continue;
      const { listening } = this;
      if (channel[1]) this.hearing.deaf(now() + UNTOLD, owner);
      else if (!listening) this.hearing.deaf(now(), owner);
      else
        reply.then(
          (answers) => {
            const clock = clockIn(answers, at / values.length);
            if (clock !== undefined && this.listening === listening) this.hearing.heard(owner, clock);
          },
          () => undefined, // of unknown outcome, or not done
        );
    }
  }
}

/** Of the answer that stands so far into a reply, behind the server's time: the clock of a denial, or the fence of a grant. */
const clockIn = (reply: unknown, part: number): number | undefined => {
  if (!Array.isArray(reply)) return undefined;
  const answer: unknown = reply[1 + Math.floor(part * (reply.length - 1))];
  const number = Number(Array.isArray(answer) ? (answer[3] ?? answer[0]) : answer);
  return number > 0 ? number : undefined;
};
