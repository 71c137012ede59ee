/** What stands about the package elsewhere than in it is as the sources say. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { ADDRESSED, addressed, forRegistry, forRepository, llms } from '../build/pages.ts';

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

describe('the pages', () => {
  it('have llms.txt as it is made of documents and examples (npm run pages)', () => {
    expect(read('llms.txt')).to.equal(`${llms()}\n`);
    expect(llms().match(/^- \[.*\]\(https:.*\): [A-Z`].*\.$/gm)).to.have.length.above(30);
    expect(llms()).not.to.match(/\]\(.*\): *$/m);
  });

  it('name one owner, the one of package.json (npm run pages)', () => {
    for (const file of ADDRESSED) expect(read(file), file).to.equal(addressed(file));
  });

  it('have a README within two screens', () => {
    expect(read('README.md').trimEnd().split('\n')).to.have.length.of.at.most(115);
  });

  it('change the links of the README for the registry, and back', () => {
    const readme = read('README.md');
    const changed = forRegistry(readme);
    expect(changed).to.match(/\]\(https:\/\/github.com\/[\w-]+\/redisync\/blob\/main\/docs\/guarantees.md\)/);
    expect(changed).to.match(/\]\(https:\/\/github.com\/[\w-]+\/redisync\/raw\/main\/docs\/life.svg\)/);
    expect(forRepository(changed)).to.equal(readme);
  });
});
