/** Who holds a lock exclusively, as the value at its key tells: "owner fence ttl", or a plain client's token. */
interface Keys {
  get(key: string): Promise<string | null>;
}

export const holderAt = async (redis: Keys, key: string): Promise<string | undefined> =>
  (await redis.get(key))?.replace(/ \d+ \d+$/, '');
