/** The layout's rules: imports only flow downward, one face exports, and a file is one idea. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert } from 'chai';

const ROOT = fileURLToPath(new URL('../src/', import.meta.url));

/** From the top down. A file may import from its own layer and from those below; the first match counts. */
const LAYERS: readonly (readonly [name: string, files: RegExp])[] = [
  ['cli', /^cli\//],
  ['the public face', /^(index|testing|otel|nestjs)\.ts$|^nestjs\//],
  ['coordinator', /^coordinator\.ts$/],
  ['diagnose', /^diagnose\//],
  ['operators', /^operators\//],
  ['locks', /^locks\//],
  ['lease', /^lease\//],
  ['store', /^store\//],
  ['lua', /^lua\//],
  ['clock, options, back-off', /^(clock|options|option-names|copies|backoff)\.ts$/],
  ['errors', /^errors\.ts$/],
];

/** Files of more than 200 lines, and why they are one idea all the same. */
const LONG: Readonly<Record<string, string>> = {
  'errors.ts': 'one class after another: two thirds of it are docstrings',
  'coordinator.ts': 'the public face: two thirds of it are docstrings',
};

const files = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort();

const source = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

const layerOf = (file: string): number => LAYERS.findIndex(([, pattern]) => pattern.test(file));

/** The files of ours that a file names in its imports and re-exports, those of types alone too. */
const importsOf = (file: string): string[] =>
  [...source(file).matchAll(/^(?:import|export)\s+[^;'"]*?from\s+'(\.[^']+)'|\bimport\(\s*'(\.[^']+)'/gm)].map(
    ([, fixed, lazy]) => normalize(join(dirname(file), fixed ?? lazy ?? '')),
  );

describe('the layout', () => {
  it('has a layer for every file', () => {
    assert.deepEqual(
      files.filter((file) => layerOf(file) < 0),
      [],
    );
    assert.isAbove(files.length, 30);
  });

  it('lets imports flow downward only', () => {
    const upward = files.flatMap((file) =>
      importsOf(file)
        .filter((other) => layerOf(other) < layerOf(file))
        .map((other) => `${file} imports ${other}`),
    );
    assert.deepEqual(upward, []);
  });

  it('imports only files that are there', () => {
    assert.deepEqual(
      files.flatMap((file) => importsOf(file)).filter((other) => !files.includes(other)),
      [],
    );
  });

  it('has no circle of imports, those of types alone too', () => {
    const circles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      else if (!done.has(file)) for (const other of importsOf(file)) visit(other, [...path, file]);
      done.add(file);
    };
    const done = new Set<string>();
    for (const file of files) visit(file, []);
    assert.deepEqual(circles, []);
  });

  it('is as CONTRIBUTING draws it, from withLock to Lua and back, in at most 15 hops', () => {
    const text = readFileSync(join(ROOT, '../CONTRIBUTING.md'), 'utf8');
    const hops = [...text.matchAll(/^ ?(\d+) {2}(\S+) +(\w+) /gm)].map(([, , file = '', name = '']) => [file, name]);
    const others = [...text.matchAll(/`(\w+\/[\w-]+\.ts): (\w+)`/g)].map(([, file = '', name = '']) => [file, name]);
    assert.isAbove(hops.length, 10);
    assert.isAtMost(hops.length, 15);
    const missing = [...hops, ...others].filter(([file = '', name = '']) => {
      const there = `(function|const) ${name}\\b|^  (private )?${name}(<\\w+>)?\\(`;
      return !new RegExp(there, 'm').test(source(file));
    });
    assert.deepEqual(missing, []);
  });

  it('exports what others wrote from the public face alone', () => {
    const reexporting = files.filter((file) => /^export\s[^;]*?\sfrom\s+'/m.test(source(file)));
    const elsewhere = reexporting.filter((file) => LAYERS[layerOf(file)]?.[0] !== 'the public face');
    assert.deepEqual(elsewhere, []);
    assert.include(reexporting, 'index.ts');
  });

  it('opens every file with a sentence that says what it is for', () => {
    const silent = files.filter((file) => !/^(#!.*\n)?\/\*\*\s+(\* )?[A-Z`]/.test(source(file)));
    assert.deepEqual(silent, []);
  });

  it('has no file of more than 200 lines without a reason', () => {
    const long = files.filter((file) => source(file).split('\n').length > 200 && !file.endsWith('scripts.ts'));
    assert.deepEqual(
      long.filter((file) => !LONG[file]),
      [],
    );
    assert.deepEqual(
      Object.keys(LONG).filter((file) => !long.includes(file)),
      [],
      'listed as long, and no longer so',
    );
  });
});
