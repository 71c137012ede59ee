import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { type Server, startServer } from '../support/server.ts';

const library = new URL('../../src/index.ts', import.meta.url).href;

/** A process of its own asks once, closes, and tells how long something kept it alive after that, in ms. */
const asking = (url: string, beforeClose: string): string => `
  import { Redis } from 'ioredis';
  import { firstValueFrom } from 'rxjs';
  import { LockCoordinator } from ${JSON.stringify(library)};
  const locks = new LockCoordinator(new Redis(${JSON.stringify(url)}, { lazyConnect: true }), { commandTimeout: 200 });
  await firstValueFrom(locks.inspect('closing')).catch(() => undefined);
  ${beforeClose}
  await locks.close();
  const closed = performance.now();
  process.on('exit', () => process.stdout.write(String(performance.now() - closed)));
`;

const lingers = async (url: string, beforeClose = ''): Promise<number> => {
  const args = ['--import', 'tsx', '--input-type=module', '-e', asking(url, beforeClose)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return Number(stdout);
};

describe('close()', () => {
  let server: Server;
  before(async () => {
    server = await startServer();
  });
  after(() => server.stop());

  it('leaves no timer where there is no server', async () => {
    expect(await lingers('redis://127.0.0.1:1')).to.be.below(1_000);
  });

  it('leaves no socket where the server has stopped answering', async () => {
    const pid = server.process?.pid;
    try {
      expect(await lingers(server.url, `process.kill(${pid}, 'SIGSTOP');`)).to.be.below(1_000);
    } finally {
      server.process?.kill('SIGCONT');
    }
  });
});
