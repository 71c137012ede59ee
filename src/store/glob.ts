/**
 * Redis's glob patterns (redis.io/docs/latest/commands/keys): `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, and `\` before a
 * literal. It compares characters, where Redis compares bytes. A RegExp will not do: one with many stars can take for ever.
 */
interface Glob {
  test(text: string): boolean;
}

type Token = (char: string) => boolean;
const STAR: Token = () => true;

const literal =
  (wanted: string): Token =>
  (char) =>
    char === wanted;

const between =
  (one: string, other: string): Token =>
  (char) =>
    one < other ? one <= char && char <= other : other <= char && char <= one;

/** A set in brackets, from behind the first. As in Redis, what is left open ends with the pattern. */
const setOf = (rest: string[]): Token => {
  const not = rest[0] === '^' && rest.shift();
  const tokens: Token[] = [];
  for (let char = rest.shift(); char !== undefined && char !== ']'; char = rest.shift()) {
    const [dash, end] = rest;
    if (char === '\\') tokens.push(literal(rest.shift() ?? char));
    else if (dash === '-' && end !== undefined) tokens.push(between(char, rest.splice(0, 2)[1] ?? char));
    else tokens.push(literal(char));
  }
  return (char) => tokens.some((token) => token(char)) !== Boolean(not);
};

const tokensOf = (pattern: string): Token[] => {
  const rest = [...pattern];
  const tokens: Token[] = [];
  for (let char = rest.shift(); char !== undefined; char = rest.shift()) {
    if (char === '*') tokens.push(STAR);
    else if (char === '?') tokens.push(() => true);
    else if (char === '[') tokens.push(setOf(rest));
    else tokens.push(literal(char === '\\' ? (rest.shift() ?? char) : char));
  }
  return tokens;
};

export const globOf = (pattern: string): Glob => {
  const tokens = tokensOf(pattern);
  const test = (text: string): boolean => {
    const chars = [...text];
    let at = 0;
    let star = -1; // the last star passed, which is the only one that can have to take more
    let taken = 0;
    for (let i = 0; i < chars.length; ) {
      const token = tokens[at];
      if (token === STAR) {
        star = at++;
        taken = i;
      } else if (token?.(chars[i] ?? '')) {
        at += 1;
        i += 1;
      } else if (star >= 0) {
        at = star + 1;
        i = ++taken;
      } else return false;
    }
    return tokens.slice(at).every((token) => token === STAR);
  };
  return { test };
};
