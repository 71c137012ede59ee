/** The scripts as source: embedded as they are written, without a global of their own, short, and with a header. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { assert } from 'chai';
import { type Node, parse } from 'luaparse';
import { assemble, filesOf, generate, SCRIPTS } from '../src/lua/embed.ts';
import * as embedded from '../src/lua/scripts.ts';

const FOLDER = new URL('../src/lua/', import.meta.url);

const read = (name: string): string => readFileSync(new URL(name, FOLDER), 'utf8');
const luaIn = (folder: string): string[] =>
  readdirSync(new URL(folder, FOLDER)).filter((file) => file.endsWith('.lua'));

const SOURCES = luaIn('.').map((file) => file.replace('.lua', ''));
const PARTS = luaIn('include/');

/** What Redis gives to every script, and what Lua 5.1 offers in it (redis.io/docs/latest/develop/programmability/lua-api). */
const GLOBALS = new Set([
  'KEYS',
  'ARGV',
  'redis',
  'cjson',
  'math',
  'string',
  'table',
  'error',
  'ipairs',
  'pairs',
  'pcall',
  'setmetatable',
  'tonumber',
  'tostring',
  'type',
  'unpack',
]);

/** Lines of code in a file, without the header and blank lines. */
const MOST_LINES = 60;

const codeOf = (text: string): string[] => text.split('\n').filter((line) => line.trim() && !/^\s*--/.test(line));

/** All nodes of a syntax tree. */
function* nodesOf(tree: unknown): Generator<Node> {
  if (typeof tree !== 'object' || tree === null) return;
  if ('type' in tree) yield tree as Node;
  for (const part of Object.values(tree)) yield* nodesOf(part);
}

/** The globals that a script uses, and those of them that it writes. */
const globalsOf = (script: string): { used: string[]; written: string[] } => {
  const nodes = [...nodesOf(parse(script, { luaVersion: '5.1', scope: true, comments: false }))];
  const targets = nodes.flatMap(({ type, variables, identifier }) => {
    if (type === 'AssignmentStatement') return variables as Node[];
    return type === 'FunctionDeclaration' && identifier ? [identifier as Node] : [];
  });
  const names = (all: Node[]): string[] => [
    ...new Set(all.flatMap((node) => (isGlobal(node) ? [String(node.name)] : []))),
  ];
  return { used: names(nodes), written: names(targets) };
};

const pathOf = (file: string): string => (SOURCES.includes(file) ? `${file}.lua` : `include/${file}.lua`);

/** What a file defines for others: the locals of its outermost block. */
const definedIn = (file: string): string[] => {
  const { body } = parse(read(pathOf(file)), { luaVersion: '5.1', scope: true, comments: false }) as unknown as {
    body: Node[];
  };
  return body.flatMap(({ type, variables, identifier }) => {
    if (type === 'LocalStatement') return (variables as Node[]).map(({ name }) => String(name));
    return type === 'FunctionDeclaration' && identifier ? [String((identifier as Node).name)] : [];
  });
};

/** The includes of a file, and what it says that it uses of each. */
const includesOf = (file: string): { from: string; names: string[] }[] =>
  [...read(pathOf(file)).matchAll(/^--include (\w+)(?:: (.*))?$/gm)].map(([, from = '', names]) => ({
    from,
    names: names?.split(', ') ?? [],
  }));

/** The globals of a file alone that neither Redis, nor Lua, nor what it includes defines. */
const unknownIn = (name: string): string[] => globalsOf(assemble(name)).used.filter((word) => !GLOBALS.has(word));

const isGlobal = ({ type, isLocal }: Node): boolean => type === 'Identifier' && isLocal === false;

describe('the scripts', () => {
  it('are embedded as they are written: npm run lua was not forgotten', () => {
    assert.equal(read('scripts.ts'), generate());
  });

  it('are embedded all, and every file is part of one', () => {
    assert.sameMembers(Object.keys(embedded), SCRIPTS);
    const texts = [...SOURCES.map((name) => read(`${name}.lua`)), ...PARTS.map((part) => read(`include/${part}`))];
    const embeds = texts.flatMap((text) => [...text.matchAll(/^--embed (\w+)$/gm)].map(([, inner = '']) => inner));
    const files = new Set([...SCRIPTS, ...embeds].flatMap((name) => filesOf(name)));
    assert.sameMembers([...files], [...SOURCES, ...PARTS.map((part) => part.replace('.lua', ''))]);
  });

  it('have no file twice, and none before what it includes', () => {
    for (const name of SCRIPTS) {
      const files = filesOf(name);
      assert.lengthOf(files, new Set(files).size, name);
      for (const [i, file] of files.entries()) {
        for (const [, needed = ''] of read(pathOf(file)).matchAll(/^--include (\w+)/gm)) {
          assert.include(files.slice(0, i), needed, `${file} in ${name}`);
        }
      }
    }
  });

  it('have no function twice, wherever it is embedded', () => {
    for (const name of SCRIPTS) {
      const functions = [...assemble(name).matchAll(/(?:local function \w+|return function)\([^)]*\)\n.*/g)].map(
        ([text]) => text,
      );
      assert.lengthOf(functions, new Set(functions).size, name);
    }
  });

  it('state what they use: each file is an include away from what it names', () => {
    for (const file of [...SOURCES, ...PARTS.map((part) => part.replace('.lua', ''))]) {
      assert.deepEqual(unknownIn(file), [], file);
    }
  });

  it('say what they use of each include, and include nothing else but for what they embed', () => {
    for (const file of [...SOURCES, ...PARTS.map((part) => part.replace('.lua', ''))]) {
      const includes = includesOf(file);
      const used = globalsOf(read(pathOf(file))).used.filter((word) => !GLOBALS.has(word));
      assert.sameMembers(
        includes.flatMap(({ names }) => names),
        used,
        file,
      );
      for (const { from, names } of includes) assert.includeMembers(definedIn(from), names, `${from} in ${file}`);
      if (/^--embed/m.test(read(pathOf(file)))) continue;
      for (const { from, names } of includes) assert.isNotEmpty(names, `${from} in ${file}`);
    }
  });

  it('have the digest by which Redis knows them', () => {
    for (const [name, { sha, text }] of Object.entries(embedded)) {
      assert.equal(sha, createHash('sha1').update(text).digest('hex'), name);
    }
  });

  it('leave no include and no comment in what Redis gets', () => {
    for (const name of SCRIPTS) assert.notInclude(assemble(name), '--', name);
  });

  it('read no global but Redis’s and Lua’s own, and write none', () => {
    for (const name of SCRIPTS) {
      const { used, written } = globalsOf(assemble(name));
      assert.deepEqual(written, [], name);
      assert.includeMembers([...GLOBALS], used, name);
    }
  });

  it('would be caught with a global of their own', () => {
    assert.deepEqual(globalsOf('holder = 1').written, ['holder']);
    assert.deepEqual(globalsOf('function drop() end').written, ['drop']);
    assert.deepEqual(globalsOf('local a = waiter').used, ['waiter']);
    assert.deepEqual(globalsOf('local waiter = 1; waiter = 2; local function drop() return waiter end').used, []);
  });

  it('open with a header that says what they do, and what KEYS, ARGV and the reply are', () => {
    for (const name of SOURCES) {
      const [purpose = '', ...header] =
        read(`${name}.lua`)
          .split(/\n(?!--)/)[0]
          ?.split('\n') ?? [];
      assert.match(purpose, /^-- [A-Z].*/, name);
      assert.match(header.join('\n'), /^-- KEYS {3}/m, name);
      assert.match(header.join('\n'), /^-- Reply {2}/m, name);
      if (/ARGV\[/.test(read(`${name}.lua`))) assert.match(header.join('\n'), /^-- ARGV {3}/m, name);
    }
    for (const part of PARTS) assert.match(read(`include/${part}`), /^-- [A-Z]/, part);
  });

  it(`have at most ${MOST_LINES} lines of code each`, () => {
    for (const name of SOURCES) assert.isAtMost(codeOf(read(`${name}.lua`)).length, MOST_LINES, name);
    for (const part of PARTS) assert.isAtMost(codeOf(read(`include/${part}`)).length, MOST_LINES, part);
  });

  it('are indented by two spaces, in lines of at most 130 characters', () => {
    for (const file of [...SOURCES.map((name) => `${name}.lua`), ...PARTS.map((part) => `include/${part}`)]) {
      for (const [i, line] of read(file).split('\n').entries()) {
        assert.isAtMost(line.length, 130, `${file}:${i + 1}`);
        assert.match(line, /^( {2})*(?! )|^$/, `${file}:${i + 1}`);
        assert.notMatch(line, /\t|\s$/, `${file}:${i + 1}`);
      }
    }
  });

  it('read the clock of the server alone, and once', () => {
    for (const name of SCRIPTS) {
      assert.isAtMost(assemble(name).split("'TIME'").length - 1, 1, name);
      assert.notMatch(assemble(name), /os\.|math\.random|RANDOMKEY/, name);
    }
  });
});
