/** The models name what there is in the sources, and are explained. */
import { readFileSync } from 'node:fs';
import { assert } from 'chai';
import { pathOf } from './check.ts';
import { SEARCHES, type Search } from './searches.ts';

const SOURCES: Readonly<Record<string, string>> = {
  'acquire.lua': 'lua',
  'join.lua': 'lua',
  'pass.lua': 'lua',
  'passon.lua': 'lua',
  'raise.lua': 'lua',
  'release.lua': 'lua',
  'renew.lua': 'lua',
  'fast.lua': 'lua/include',
  'clock.lua': 'lua/include',
  'commit.lua': 'lua/include',
  'listen.lua': 'lua/include',
  'queue.lua': 'lua/include',
  'settle.lua': 'lua/include',
  'acquisition.ts': 'lease',
  'departure.ts': 'lease',
  'pace.ts': 'lease',
  'holding.ts': 'lease',
  'session.ts': 'lease',
  'sessions.ts': 'lease',
  'cancel.ts': 'store',
  'member.ts': 'store/quorum',
  'quorum.ts': 'store',
  'sender.ts': 'store',
};

/** What a model says that it models: file and name. */
const cited = (model: Search['model']): [file: string, name: string][] =>
  [...readFileSync(pathOf(model), 'utf8').matchAll(/src: ([^*]*)/g)].flatMap(([, list = '']) =>
    list
      .trim()
      .split(/,\s+/)
      .map((one): [string, string] => {
        const [file = '', name = ''] = one.split(': ');
        return [file, name];
      }),
  );

describe('the models of the lock and the quorum', () => {
  for (const model of ['lock', 'quorum'] as const) {
    it(`name scripts, functions and methods that are there: ${model}`, () => {
      const all = cited(model);
      assert.isAbove(all.length, 6);
      for (const [file, name] of all) {
        const source = readFileSync(new URL(`../../src/${SOURCES[file]}/${file}`, import.meta.url), 'utf8');
        const known = new RegExp(
          `function (?:\\w+\\.)?${name}\\b|^  (?:private |async )?${name}\\(|const ${name} =|-- .*${name}`,
          'm',
        );
        assert.match(source, known, `${file}: ${name}`);
      }
    });
  }

  it('names every function of the settling', () => {
    const names = cited('lock').map(([file, name]) => `${file}: ${name}`);
    const settling = [
      'queue.lua: fits',
      'queue.lua: grant',
      'queue.lua: planHandOff',
      'queue.lua: waiterOf',
      'settle.lua: settle',
    ];
    assert.includeMembers(names, [...settling, 'listen.lua: tellingOf', 'clock.lua: draw', 'commit.lua: commit']);
  });

  it('are explained in the README, with each mutant and each limit', () => {
    const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8');
    for (const { finds, defines } of SEARCHES) {
      const [, lacks = ''] = /.* -D(\w+)(?:=\S*)?$/.exec(` ${defines}`) ?? [];
      if (finds) assert.include(readme, lacks, defines);
    }
  });
});
