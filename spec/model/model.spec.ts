/** The model: spin finds no error in it, finds one in each broken variant, and it names what there is in the sources. */
import { readFileSync } from 'node:fs';
import { assert } from 'chai';
import { MODEL, missing, SEARCHES, search } from './check.ts';

const SOURCES: Readonly<Record<string, string>> = {
  'acquire.lua': 'lua',
  'renew.lua': 'lua',
  'release.lua': 'lua',
  'queue.lua': 'lua/include',
  'settle.lua': 'lua/include',
  'memory.lua': 'lua/include',
  'connection.ts': 'store',
  'acquisition.ts': 'lease',
  'departure.ts': 'lease',
  'pace.ts': 'lease',
  'renewal.ts': 'lease',
  'session.ts': 'lease',
  'sessions.ts': 'lease',
  'cancel.ts': 'store',
};

/** What the model says it models: file and name. */
const cited = (): [file: string, name: string][] =>
  [...readFileSync(MODEL, 'utf8').matchAll(/src: ([^*]*)/g)].flatMap(([, list = '']) =>
    list
      .trim()
      .split(', ')
      .map((one): [string, string] => {
        const [file = '', name = ''] = one.split(': ');
        return [file, name];
      }),
  );

describe('the model of the queue and the hand-off', function () {
  this.timeout(120_000);

  it('names scripts, functions and methods that are there', () => {
    const all = cited();
    assert.isAbove(all.length, 20);
    for (const [file, name] of all) {
      const source = readFileSync(new URL(`../../src/${SOURCES[file]}/${file}`, import.meta.url), 'utf8');
      const verb = `${name}.lua` === file; // the script itself
      const known =
        verb ||
        new RegExp(`function ${name}\\b|^  (?:private )?${name}\\(|const ${name} =|-- .*${name}`, 'm').test(source);
      assert.isTrue(known, `${file}: ${name}`);
    }
  });

  it('names every function of the settling', () => {
    const names = cited().map(([file, name]) => `${file}: ${name}`);
    for (const each of ['fits', 'grant', 'reach', 'settle', 'drop', 'lapse']) {
      assert.isTrue(
        names.some((name) => name.endsWith(`.lua: ${each}`)),
        each,
      );
    }
  });

  const lack = missing();
  if (lack) {
    it.skip(`is not searched: ${lack}`);
    return;
  }
  for (const one of SEARCHES) {
    it(one.broken ? `is found wrong with ${one.shows}` : `holds: ${one.shows}`, () => {
      const { error } = search(one);
      if (one.broken) assert.isString(error, 'an error');
      else assert.isUndefined(error);
    });
  }
});
