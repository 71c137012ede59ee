/** What the headers of the scripts say of their replies, as checks. */
const HIGHEST = Number.MAX_SAFE_INTEGER;
const LONGEST = 2 ** 31 - 1;

const isWhole = (value: unknown, most = HIGHEST): boolean =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most;
const isFence = (value: unknown): boolean =>
  typeof value === 'string' && /^\d+$/.test(value) && Number(value) <= HIGHEST;
export const isList = (value: unknown, every: number): value is readonly unknown[] =>
  Array.isArray(value) && value.length % every === 0;
const areGrants = (value: unknown): boolean => isList(value, 2) && value.every((one, i) => i % 2 === 0 || isFence(one));
/** Rows of owner, mode, permits, limit, and what else there is. */
const areRows = (value: unknown, others: readonly ((value: unknown) => boolean)[]): boolean => {
  const checks = [
    (one: unknown) => typeof one === 'string',
    (one: unknown) => one === 'x' || one === 's',
    (one: unknown) => isWhole(one),
    (one: unknown) => isWhole(one),
    ...others,
  ];
  return isList(value, checks.length) && value.every((one, i) => checks[i % checks.length]?.(one));
};

/** What the headers say of the replies. */
export const DOCUMENTED: Readonly<
  Record<'acquire' | 'release' | 'share' | 'raise' | 'renew' | 'inspect', (reply: unknown) => boolean>
> = {
  acquire: (reply) => {
    if (!Array.isArray(reply)) return reply === -1 || isFence(reply);
    const [wait, rank, silent, clock, ticket, ...own] = reply;
    if (isFence(wait)) return reply.length > 1 && areGrants(reply.slice(1));
    const numbers = isWhole(wait, LONGEST) && isWhole(rank) && isWhole(silent, 1) && isWhole(clock) && isWhole(ticket);
    return numbers && areGrants(own);
  },
  release: (reply) =>
    reply === 1 ||
    reply === -1 ||
    (isList(reply, 1) && isWhole(reply[0], 1) && isWhole(reply[1]) && areGrants(reply.slice(2))) ||
    (isList(reply, 4) && reply[0] === 1 && reply[1] === 0 && reply[3] === ''), // held over: who is to ask again
  share: (reply) =>
    [1, 0, -1].some((one) => reply === one) ||
    (isList(reply, 1) && reply.length > 1 && reply[0] === 1 && areGrants(reply.slice(1))),
  raise: (reply) => reply === 1,
  renew: (reply) => [1, 0, -1].some((one) => reply === one),
  inspect: (reply) =>
    isList(reply, 2) &&
    areRows(reply[0], [
      (ms) => isWhole(ms) || ms === -1,
      (fence) => fence === '' || isFence(fence),
      (over) => isWhole(over, 1),
    ]) &&
    areRows(reply[1], [(ms) => isWhole(ms)]),
};
