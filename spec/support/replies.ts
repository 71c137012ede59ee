/** What the headers of the scripts say of their replies, as checks. */
const HIGHEST = Number.MAX_SAFE_INTEGER;
const LONGEST = 2 ** 31 - 1;

const isWhole = (value: unknown, most = HIGHEST): boolean =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most;
const isToken = (value: unknown): boolean =>
  typeof value === 'string' && /^\d+$/.test(value) && Number(value) <= HIGHEST;
export const isList = (value: unknown, every: number): value is readonly unknown[] =>
  Array.isArray(value) && value.length % every === 0;
const areGrants = (value: unknown): boolean => isList(value, 2) && value.every((one, i) => i % 2 === 0 || isToken(one));
/** Owner, mode, permits, ms; -1 ms where there is no end to it. */
const areEntries = (value: unknown, endless: boolean): boolean =>
  isList(value, 4) &&
  value.every((one, i) => {
    if (i % 4 === 0) return typeof one === 'string';
    return i % 4 === 1 ? one === 'x' || one === 's' : isWhole(one) || (endless && i % 4 === 3 && one === -1);
  });

/** What the headers say of the replies. */
export const DOCUMENTED: Readonly<Record<'acquire' | 'renew' | 'release' | 'inspect', (reply: unknown) => boolean>> = {
  acquire: (reply) => {
    if (!Array.isArray(reply)) return reply === -1 || isToken(reply);
    const [wait, place, foreign, last, arrived, own] = reply;
    if (reply.length === 2) return isToken(wait) && areGrants(place);
    const numbers =
      isWhole(wait, LONGEST) && isWhole(place) && isWhole(foreign, 1) && isWhole(last) && isWhole(arrived);
    return reply.length === 6 && numbers && areGrants(own);
  },
  renew: (reply) =>
    [1, 0, -1, -2].some((one) => reply === one) || (isList(reply, 2) && reply[0] === 1 && areGrants(reply[1])),
  release: (reply) =>
    reply === 1 ||
    reply === -1 ||
    (isList(reply, 3) && isWhole(reply[0], 1) && isWhole(reply[1]) && areGrants(reply[2])),
  inspect: (reply) =>
    isList(reply, 3) &&
    (reply[0] === '' || isToken(reply[0])) &&
    areEntries(reply[1], true) &&
    areEntries(reply[2], false),
};
