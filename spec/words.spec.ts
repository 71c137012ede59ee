/** The words of src: those of CONTRIBUTING's glossary, and none of those that it replaced. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';

const ROOT = new URL('../src/', import.meta.url);

/** Names that meant several things, and what to write. Of comments and strings only the phrases below are refused. */
const NAMES: readonly (readonly [name: RegExp, instead: string])[] = [
  [/\b(?:[pP]laces?|places?Of)\b/, 'address, index, rank or claim'],
  [/\b(?:[tT]urns?|inTurn)\b/, 'sequence or task'],
  [/\bgone\b/, 'removed, released, lost or closed'],
  [/\b[pP]atience\b/, 'timeout, retryFor or minUptime'],
  [/\b(?:[tT]wins?|\w*[tT]winOf|heirs?|heirloom)\b/, 'client, duplicate, predecessor or successor'],
  [/\b[dD]ealings?\b/, 'NodeLease'],
];

/** Phrases that a reader stumbled over, in comments, docstrings and messages. */
const PHRASES: readonly (readonly [phrase: RegExp, instead: string])[] = [
  [/unless told/i, '"default: …"'],
  [/who(?:ever)? hears/i, 'who is told, and of what'],
  [/gives? away/i, 'what is released, or no longer believed'],
  [/heirloom|from the other end|comes? to nothing/i, 'what happens'],
  [/(?<!fencing )\btokens?\b/i, 'fence, or owner'],
];

/** Where "token" is somebody else's word: Nest's for what it injects by, a glob's for a part of it, an option of other libraries. */
const THEIRS = /^(?:nestjs\/|nestjs\.ts|store\/glob\.ts|option-names\.ts)/;

const files = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('scripts.ts'))
  .sort();

const textOf = (file: string): string => readFileSync(new URL(file, ROOT), 'utf8');

/** Without its comments and its strings, but for what is computed in these. */
const codeOf = (file: string): string =>
  textOf(file)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(?<![:'"`])\/\/.*$/gm, '')
    .replace(/'(?:[^'\\\n]|\\.)*'/g, "''")
    .replace(/`[^`]*`/g, (text) => [...text.matchAll(/\$\{([^}]*)\}/g)].map(([, code]) => code).join(' '));

const found = (
  lines: readonly string[],
  words: readonly (readonly [word: RegExp, instead: string])[],
  file: string,
): string[] =>
  words.flatMap(([word, instead]) => {
    const at = lines.find((line) => word.test(line));
    return at === undefined ? [] : [`${file}: ${word.exec(at)?.[0]} → ${instead}: ${at.trim().slice(0, 80)}`];
  });

describe('the words of the sources', () => {
  it('are none of the names that were retired', () => {
    expect(files).to.have.length.above(80);
    expect(files.flatMap((file) => found(codeOf(file).split('\n'), NAMES, file))).to.deep.equal([]);
  });

  it('are none of the phrases that readers stumbled over', () => {
    const phrases = (file: string) => (THEIRS.test(file) ? PHRASES.slice(0, -1) : PHRASES);
    expect(files.flatMap((file) => found(textOf(file).split('\n'), phrases(file), file))).to.deep.equal([]);
  });
});
