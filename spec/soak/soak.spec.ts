/** The soak as it is run by hand: a short one, and one that has to fail. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { assert } from 'chai';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

/** Resolves with how it exited, and with its page. */
const run = (...args: string[]): Promise<[code: number | string | null | undefined, page: string]> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, ['--import', 'tsx', MAIN, ...args], (_, page) =>
      resolve([child.exitCode, page]),
    );
  });

describe('npm run soak', function () {
  this.timeout(300_000);

  it('for a while finds no violation, and says on one page what it did', async () => {
    const [code, page] = await run('--seconds', '40', '--seed', '6'); // a busy machine does 30 operations a second
    assert.equal(code, 0, page);
    assert.match(page, /^operations +[1-9]\d{3,}, of which/m);
    assert.match(page, /^waits judged by order +[1-9]\d{2,}$/m);
    assert.match(page, /^violations +0$/m);
    assert.isAtMost(page.split('\n').length, 60);
  });

  it('exits 1 where somebody deletes the keys of others, and says what was wrong', async () => {
    const [code, page] = await run('--seconds', '10', '--seed', '6', '--sabotage');
    assert.equal(code, 1, page);
    assert.match(page, /^ {2}overlap of [\d.]+ ms: child/m);
  });
});
