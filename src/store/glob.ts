/** Redis's glob patterns (redis.io/docs/latest/commands/keys): `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, and `\` before a literal. */
export const globOf = (pattern: string): RegExp => {
  const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
  const source = pattern.replace(/\\(.)|\[(\^?)((?:\\.|[^\]\\])*)\]|([\s\S])/gu, (_, escaped, not, set, other) => {
    if (escaped !== undefined) return literal(escaped);
    if (set !== undefined) {
      if (set === '') return not ? '[^]' : '[]';
      return `[${not}${set.replace(/\\(.)|([\][^])/g, (_all: string, a?: string, b?: string) => `\\${a ?? b}`)}]`;
    }
    if (other === '*') return '[^]*';
    if (other === '?') return '[^]';
    return literal(other);
  });
  return new RegExp(`^${source}$`, 'u');
};
