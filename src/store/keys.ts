/** From a name to its keys in Redis. All keys of a name share a slot, whatever the name, and no two names share a key. */
import { slotOf, tagIn } from './slot.ts';

/** lock, last, due, queue, specs: see lua/include/model. */
export type Keys = readonly [string, string, string, string, string];

const SIDE = /~redisync[:./](?:last|due|queue|specs)$/;
const LIKE_SIDE = /~redisync[:./](?:last|due|queue|specs)~*$/;

/** What the search for tags has come by: it goes through the numbers once, however many slots are asked for. */
const tags = new Map<number, number>();
let next = 0;

/** The smallest number whose decimal digits hash to the slot. */
export const tagOf = (slot: number): number => {
  let tag = tags.get(slot);
  while (tag === undefined) {
    const found = slotOf(String(next));
    if (!tags.has(found)) tags.set(found, next);
    next += 1;
    tag = tags.get(slot);
  }
  return tag;
};

/**
 * Redis hashes what stands between the first `{` and the next `}`, or the whole key where that is nothing
 * (redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec, hash tags). A name with a tag of its own
 * is extended; another is put in braces; and one with a `}` that braces cannot hold gets a tag of the same slot.
 * The three differ in `.`, `:` and `/`, so that names which look like another's side keys stay apart.
 */
const sides = (lock: string): string => {
  if (tagIn(lock) !== undefined) return `${lock}~redisync.`;
  if (!lock.includes('}')) return `{${lock}}~redisync:`;
  return `{${tagOf(slotOf(lock))}}${lock}~redisync/`;
};

/** The lock's key is its name, verbatim; only a name that ends like a side key gets a `~` behind it. */
export const keysOf = (prefix: string, name: string): Keys => {
  const lock = prefix + (LIKE_SIDE.test(name) ? `${name}~` : name);
  const side = sides(lock);
  return [lock, `${side}last`, `${side}due`, `${side}queue`, `${side}specs`];
};

/** The glob that every side key matches. */
export const SIDE_KEYS = '*~redisync[:./]*';

/** The name that a lock's key stands for. */
export const nameOfLock = (prefix: string, lock: string): string => {
  const name = lock.slice(prefix.length);
  return LIKE_SIDE.test(name) ? name.slice(0, -1) : name;
};

/** The name that a side key belongs to, or undefined for any other key. */
export const nameOf = (prefix: string, key: string): string | undefined => {
  const side = SIDE.exec(key);
  if (!side) return undefined;
  const body = key.slice(0, side.index);
  const kind = key.charAt(side.index + '~redisync'.length);
  const lock = kind === '.' ? body : kind === ':' ? body.slice(1, -1) : body.slice(body.indexOf('}') + 1);
  if (!lock.startsWith(prefix)) return undefined;
  const name = nameOfLock(prefix, lock);
  return keysOf(prefix, name).includes(key) ? name : undefined;
};
