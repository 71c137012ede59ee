/** The commands of the verbs, as data: for each a script, its keys, its arguments, and how its reply is read. */
import * as scripts from '../../lua/scripts.ts';
import type { Command, Reply } from '../call.ts';
import { clockKey, keysOf, lockKey } from '../keys.ts';
import { readAcquire, readInspection, readRelease, readRenewal } from '../replies.ts';
import { slotOf } from '../slot.ts';
import type { Answer, Inspection, Release, Released, Renewal, Request } from '../store.ts';
import { releaseChannel } from '../subscriber.ts';

/** What the commands of a store have in common. */
export interface Site {
  /** The prefix of keys. */
  readonly prefix: string;
  /** The key of a single server's clock. */
  readonly clock: string;
  /** The current channel for messages to waiters for the lock at a key. */
  readonly channel: (key: string) => string;
}

/** @param channel as in `site`; it is called when the request is sent, so that the caller learns which channel was named */
export const acquire = (
  site: Site,
  request: Request,
  stay: boolean,
  channel: (key: string) => string,
): Command<Answer> => {
  const { name, owner, ticket, sequence } = request;
  const keys = keysOf(site.prefix, name);
  const [key] = keys;
  return {
    lock: name,
    script: scripts.lease,
    keys,
    clock: clockFor(site, key),
    bounded: true,
    unhurried: ticket !== undefined, // with a ticket it keeps its place in the queue, so it may wait for the batch
    sequence,
    args: (notAfter) => {
      const args = ['acquire', owner, specOf(request, channel(key)), notAfter, stay ? '1' : '0'];
      return ticket === undefined ? args : [...args, ticket];
    },
    read: readAcquire,
  };
};

/** An exclusive lease is renewed by its one key, which is served on either side of a slot that moves. */
export const renew = (site: Site, request: Request, fence: number, downgrade: boolean): Command<Renewal> => {
  const { name, owner, ttl, mode } = request;
  const exclusive = mode === 'exclusive' && !downgrade;
  const keys = exclusive ? [lockKey(site.prefix, name)] : keysOf(site.prefix, name);
  const [key = ''] = keys;
  return {
    lock: name,
    script: exclusive ? scripts.renew : scripts.lease,
    keys,
    clock: exclusive ? undefined : clockFor(site, key),
    unhurried: true,
    bounded: true, // a late renewal would undo a later one
    args: exclusive
      ? (notAfter) => ['renew', owner, fence, ttl, notAfter]
      : (notAfter) => ['share', owner, fence, specOf({ ...request, mode: 'shared' }, site.channel(key)), notAfter],
    read: readRenewal,
  };
};

export const release = (site: Site, { name, owner = '', fence = 0, keep = 0, tell }: Release): Command<Released> => {
  const keys = keysOf(site.prefix, name);
  const [key] = keys;
  const channel = (): string => (tell ? `!${releaseChannel(site.prefix, name)}` : site.channel(key));
  return {
    lock: name,
    script: scripts.lease,
    keys,
    clock: clockFor(site, key),
    bounded: true, // a late release would end what the same owner was granted since
    args: (notAfter) => {
      const args = ['release', owner, fence, channel(), notAfter];
      return keep === 0 ? args : [...args, keep];
    },
    read: readRelease,
  };
};

export const raise = (site: Site, { name, owner = '' }: Release, own: number, fence: number): Command<true> => {
  const keys = keysOf(site.prefix, name);
  return {
    lock: name,
    script: scripts.lease,
    keys,
    clock: clockFor(site, keys[0]),
    args: () => ['raise', owner, own, fence],
    read: () => ({ value: true }),
  };
};

export const inspect = ({ prefix }: Site, name: string, most = 0): Command<Inspection> => ({
  lock: name,
  script: scripts.inspect,
  readOnly: true,
  keys: keysOf(prefix, name),
  args: () => ['inspect', most],
  read: (reply) => ({ value: readInspection(name, reply) }),
});

/** ms for which the server has been up. */
export const uptime: Command<number> = {
  script: scripts.uptime,
  keys: [],
  args: () => [],
  read: (reply) => ({ value: 1_000 * Number((reply as Reply)[0]) }),
};

/** The key of the clock: the server's; or that of this key's slot, if all keys of a command are in one slot. */
const clockFor =
  ({ prefix, clock }: Site, key: string) =>
  (ofSlot: boolean): string =>
    ofSlot ? clockKey(prefix, slotOf(key)) : clock;

const specOf = ({ mode, permits, limit, ttl, waiterTtl }: Request, channel: string): string =>
  `${mode === 'exclusive' ? 'x' : 's'} ${permits} ${limit} ${ttl} ${waiterTtl} ${channel}`;
