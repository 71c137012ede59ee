/**
 * The slot of a key in a Cluster (redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec, hash tags): CRC16
 * of what stands between the first `{` and the next `}`, or of the whole key where that is nothing. Our own, because
 * cluster-key-slot, which ioredis uses, looks for a later `}` in keys such as `{}a}`.
 */
export const SLOTS = 16_384;

/** CRC16-XMODEM of each byte. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

/** What of a key decides its slot; undefined where that is the whole key. */
export const tagIn = (key: string): string | undefined => {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  return close > open + 1 ? key.slice(open + 1, close) : undefined;
};

export const slotOf = (key: string): number => {
  let crc = 0;
  for (const byte of Buffer.from(tagIn(key) ?? key)) {
    crc = ((crc << 8) ^ (TABLE[((crc >> 8) ^ byte) & 0xff] ?? 0)) & 0xffff;
  }
  return crc % SLOTS;
};
