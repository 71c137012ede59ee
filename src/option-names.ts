/** Refuses unknown options by name, and suggests the name that was probably meant. */
import { quote } from './errors.ts';

/** Names that other lock libraries use for options of ours. */
const ELSEWHERE = new Map([
  ['acquireAttemptsLimit', 'timeout'],
  ['acquireTimeout', 'timeout'],
  ['automaticExtensionThreshold', 'renewEvery'],
  ['duration', 'ttl'],
  ['expire', 'ttl'],
  ['expiry', 'ttl'],
  ['externallyAcquiredIdentifier', 'owner'],
  ['identifier', 'owner'],
  ['identifierSuffix', 'identity'],
  ['lease', 'ttl'],
  ['lockTimeout', 'ttl'],
  ['lockTtl', 'ttl'],
  ['refreshInterval', 'renewEvery'],
  ['retryAttempts', 'timeout'],
  ['retryCount', 'timeout'],
  ['retryDelay', 'backoff'],
  ['retryInterval', 'backoff'],
  ['retryJitter', 'backoff'],
  ['token', 'owner'],
]);

/** The call that takes an option. */
const CALLS = new Map([
  ['ttl', 'locks.mutex(name, { ttl })'],
  ['owner', 'locks.mutex(name, { owner })'],
  ['permits', 'locks.semaphore(name, limit, { permits })'],
  ['timeout', 'lock.acquire({ timeout }), withLock(lock, { timeout })'],
  ['signal', 'lock.acquire({ signal })'],
  ['every', 'locks.watch(name, { every })'],
  ['drain', 'locks.close({ drain })'],
  ['quorum', 'new LockCoordinator(nodes, { quorum })'],
  ['delayedRestart', 'new LockCoordinator(nodes, { delayedRestart })'],
]);

/** The Levenshtein distance: how many letters must be changed, inserted or removed to turn one name into another. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const changed = (row[j] ?? 0) + Number(letter !== other);
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
};

const nearest = (name: string, known: readonly string[]): string | undefined => {
  const near = known.map((other) => [distance(name.toLowerCase(), other.toLowerCase()), other] as const);
  const [first] = near.sort(([a], [b]) => a - b);
  return first && first[0] <= Math.max(2, first[1].length / 3) ? first[1] : undefined;
};

/** Suggests the option that was meant, or the call that takes it. */
const advice = (name: string, known: readonly string[]): string => {
  const ours = ELSEWHERE.get(name) ?? name;
  const call = CALLS.get(ours);
  const near = known.includes(ours) ? ours : call ? undefined : nearest(name.slice(0, 40), known);
  return near ? `did you mean ${near}?` : call ? `see ${call}` : `it takes ${known.join(', ')}`;
};

/** Refuses options with unknown names. An option that is undefined counts as not given. @throws TypeError */
export const namesIn = (argument: string, options: object, known: readonly string[]): void => {
  const unknown = Object.entries(options).find(([name, value]) => value !== undefined && !known.includes(name));
  if (unknown) throw new TypeError(`${argument} has no ${quote(unknown[0])}: ${advice(unknown[0], known)}`);
};

/** The names of all options of a type. */
export const namesOf = <T>(all: { readonly [name in keyof Required<T>]: true }): readonly string[] => Object.keys(all);
