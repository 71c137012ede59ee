/** The keys of a name in Redis. All keys of a name share a slot, whatever the name, and no two names share a key. */
import { slotOf, tagIn } from './slot.ts';

/** lock, claims, specs: see lua/include/holder and lua/include/claims. */
type Keys = readonly [lock: string, claims: string, specs: string];

const SIDE = /~redisync[:./](?:claims|specs)$/;
const LIKE_SIDE = /~redisync[:./](?:claims|specs|clock)~*$/;

/** The tags found so far, by slot. The search goes through the numbers once, however many slots are asked for. */
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

/** The key of a lock: the name itself; only a name that ends like a side key gets a `~` behind it. */
export const lockKey = (prefix: string, name: string): string => prefix + (LIKE_SIDE.test(name) ? `${name}~` : name);

/** The keys of a name, the lock's first. */
export const keysOf = (prefix: string, name: string): Keys => {
  const lock = lockKey(prefix, name);
  const side = sides(lock);
  return [lock, `${side}claims`, `${side}specs`];
};

/**
 * The key of the clock: one for each server, or in a Cluster one for each slot. If the server's key is in that slot, as with
 * a tag in the prefix, it is used, so that a client that does not know of slots uses the same clock.
 */
export const clockKey = (prefix: string, slot?: number): string => {
  const usual = `${prefix}~redisync:clock`;
  if (slot === undefined || slotOf(usual) === slot) return usual;
  const tag = `{${tagOf(slot)}}`;
  const tagged = `${prefix}${tag}~redisync:clock`;
  return slotOf(tagged) === slot ? tagged : `${tag}${usual}`;
};

/** The glob that matches the claims of every name. */
export const CLAIMS = '*~redisync[:./]claims';

/** The name of a lock's key; undefined for any other key. */
export const nameOfLock = (prefix: string, lock: string): string | undefined => {
  if (!lock.startsWith(prefix) || lock === prefix) return undefined;
  const body = lock.slice(prefix.length);
  const name = LIKE_SIDE.test(body) ? body.slice(0, -1) : body;
  return lockKey(prefix, name) === lock ? name : undefined;
};

/** The name of a side key; undefined for any other key. */
export const nameOf = (prefix: string, key: string): string | undefined => {
  const side = SIDE.exec(key);
  if (!side) return undefined;
  const body = key.slice(0, side.index);
  const kind = key.charAt(side.index + '~redisync'.length);
  const lock = kind === '.' ? body : kind === ':' ? body.slice(1, -1) : body.slice(body.indexOf('}') + 1);
  const name = nameOfLock(prefix, lock);
  return name !== undefined && keysOf(prefix, name).includes(key) ? name : undefined;
};
