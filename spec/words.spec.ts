/** The words of src (with its Lua), spec and bench: those of CONTRIBUTING's glossary, and none of those that it replaced. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';

const ROOT = new URL('../', import.meta.url);

/**
 * Names that meant several things, and what to write. Of comments and strings only the phrases below are refused. What the bench
 * and the specs count is a turn of a lock, and they are patient with a busy machine, so of these two only src is free.
 */
const NAMES: readonly (readonly [name: RegExp, instead: string])[] = [
  [/\b(?:[pP]laces?|places?Of)\b/, 'address, index, rank or claim'],
  [/\bgone\b/, 'removed, released, lost or closed'],
  [/\b(?:[tT]wins?|\w*[tT]winOf|heirs?|heirloom)\b/, 'client, duplicate, predecessor or successor'],
  [/\b[dD]ealings?\b/, 'NodeLease'],
];

const OF_SRC: typeof NAMES = [
  [/\b(?:[tT]urns?|inTurn)\b/, 'sequence or task'],
  [/\b[pP]atience\b/, 'timeout, retryFor or minUptime'],
];

/** Phrases that a reader stumbled over, in comments, docstrings and messages. */
const PHRASES: readonly (readonly [phrase: RegExp, instead: string])[] = [
  [/unless told/i, '"default: …"'],
  [/who(?:ever)? hears/i, 'who is told, and of what'],
  [/gives? away/i, 'what is released, or no longer believed'],
  [/heirloom|from the other end|comes? to nothing/i, 'what happens'],
  [/(?<!fencing )\btokens?\b/i, 'fence, or owner'],
];

/**
 * Where "token" is somebody else's word: Nest's for what it injects by, a glob's for a part of it, an option of other libraries,
 * and what a plain client writes.
 */
const THEIRS =
  /^(?:src\/(?:nestjs\/|nestjs\.ts|store\/glob\.ts|option-names\.ts)|spec\/(?:e2e\/seed|migration\/peers|support\/(?:holder-at|scenes))|bench\/contenders\/raw)/;

const filesOf = (folder: string): string[] =>
  readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(?:ts|lua)$/.test(file) && !/(?:scripts|words\.spec)\.ts$/.test(file))
    .map((file) => `${folder}${file}`)
    .sort();

const sources = filesOf('src/');
const files = [...sources, ...filesOf('spec/'), ...filesOf('bench/')];

const textOf = (file: string): string => readFileSync(new URL(file, ROOT), 'utf8');

/** Without its comments and its strings, but for what is computed in these. */
const codeOf = (file: string): string =>
  (file.endsWith('.lua') ? textOf(file).replace(/--.*$/gm, '') : textOf(file))
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

/** Held is a state of lease/session as well as what the operators are given; scripts.ts is written with the type of embed.ts. */
const SHARED: ReadonlySet<string> = new Set(['Held', 'Script']);

describe('the words of the sources', () => {
  it('are none of the names that were retired', () => {
    expect(sources).to.have.length.above(80);
    expect(files.flatMap((file) => found(codeOf(file).split('\n'), NAMES, file))).to.deep.equal([]);
    expect(sources.flatMap((file) => found(codeOf(file).split('\n'), OF_SRC, file))).to.deep.equal([]);
  });

  it('give no name to types of two files', () => {
    const declared = sources.flatMap((file) =>
      [...codeOf(file).matchAll(/^(?:export )?(?:abstract )?(?:type|interface|class) (\w+)/gm)].map(
        ([, name = '']) => name,
      ),
    );
    const twice = declared.filter((name, i) => declared.indexOf(name) < i && !SHARED.has(name));
    expect(twice).to.deep.equal([]);
  });

  it('read no clock but by src/clock.ts, except in the command, and in otel, which is stopped by no event', () => {
    const may = /^src\/(?:clock\.ts|otel\.ts|cli\/)/;
    const reads = sources.filter((file) => !may.test(file) && /\b(?:Date|performance)\.now\(/.test(codeOf(file)));
    expect(reads).to.deep.equal([]);
  });

  it('are none of the phrases that readers stumbled over', () => {
    const phrases = (file: string) => (THEIRS.test(file) ? PHRASES.slice(0, -1) : PHRASES);
    expect(files.flatMap((file) => found(textOf(file).split('\n'), phrases(file), file))).to.deep.equal([]);
  });
});
