/** The rule for commit messages: what CONTRIBUTING asks for is what is checked. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { mistakesIn } from '../build/commits.ts';

const WHY = '\n\nWithout it a waiter asks for ever.\n';

describe('a commit message', () => {
  it('may have a scope, a mark of a breaking change, and a subject that begins with a name of ours', () => {
    for (const header of [
      'fix: end a wait',
      'feat(store)!: end a wait',
      'fix(lease): allOf releases',
      'docs: need less',
    ]) {
      expect(mistakesIn(header + WHY), header).to.deep.equal([]);
    }
  });

  for (const [message, mistake] of [
    [`A wait ends${WHY}`, /"type\(scope\): subject"/],
    [`fixes(lease): end a wait${WHY}`, /the type must be one of/],
    [`fix(lease): ${'end a wait '.repeat(7)}${WHY}`, /at most 72 characters/],
    [`fix(lease): End a wait${WHY}`, /lower case/],
    [`fix(lease): ended a wait${WHY}`, /"ended" is not/],
    [`fix(lease): ending a wait${WHY}`, /"ending" is not/],
    [`fix(lease): end a wait.${WHY}`, /full stop/],
    ['fix(lease): end a wait', /must say why/],
    ['fix(lease): end a wait\nWithout it a waiter asks for ever.', /must say why/],
  ] as const) {
    it(`is refused: ${JSON.stringify(message.slice(0, 40))}`, () => {
      expect(mistakesIn(message).join()).to.match(mistake);
    });
  }

  it('is described in CONTRIBUTING', () => {
    const text = readFileSync(new URL('../CONTRIBUTING.md', import.meta.url), 'utf8');
    expect(text)
      .to.include('`type(scope): subject`')
      .and.include('at most 72 characters')
      .and.include('npm run commits');
  });
});
