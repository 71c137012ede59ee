/** The README's first example does what its reader wants of it: one lost lease of three, and a stop while work is under way. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { type Server, startServer } from '../support/server.ts';
import { type Running, start } from './run.ts';
import { ROOT } from './snippets.ts';

/** What the example takes for given: three orders, of which each is charged for a while, and Redis where the specs have it. */
const given = (example: string): string => `
import { concat, from, map, timer } from 'rxjs';
interface Order { readonly id: number }
const order$ = from([{ id: 1 }, { id: 2 }, { id: 3 }]);
const charge = ({ id }: Order) =>
  concat([\`charges \${id}\`], timer(Number(process.env.CHARGE)).pipe(map(() => \`charged \${id}\`)));
${example.replace('new Redis()', 'new Redis(process.env.REDIS_URL ?? "")')}
`;

describe('the README’s first example', function () {
  this.timeout(300_000);
  const folder = join(ROOT, '.scratch', `readme-${process.pid}`); // inside the repository, so that packages are found
  let server: Server;
  let redis: Redis;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
    const [, example = ''] = /^```ts\n([\s\S]*?)^```/m.exec(readFileSync(join(ROOT, 'README.md'), 'utf8')) ?? [];
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'example.ts'), given(example));
  });

  after(async () => {
    redis.disconnect();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** @param ms how long each order takes */
  const begin = async (ms: number): Promise<Running> => {
    const service = start(`../.scratch/readme-${process.pid}/example.ts`, server.url, { CHARGE: `${ms}` });
    for (const id of [1, 2, 3]) await service.seen(new RegExp(`charges ${id}`));
    return service;
  };

  it('charges two of three where the lease of the third is lost', async () => {
    const service = await begin(7_000); // it is renewed, and so found to be lost, after a third of its 10 s
    await redis.set('order:2', 'somebody else', 'PX', 60_000);
    await service.seen(/order 2: The lease on "order:2" is lost: taken/);
    for (const id of [1, 3]) await service.seen(new RegExp(`charged ${id}`));
    service.kill('SIGTERM');
    expect((await service.ended).code).to.equal(0);
    await redis.flushall();
  });

  it('is stopped when what is under way is charged, and has released it', async () => {
    const service = await begin(700);
    service.kill('SIGTERM');
    const { code, output } = await service.ended;
    expect(code, output).to.equal(0);
    for (const id of [1, 2, 3]) expect(output).to.include(`charged ${id}`);
    expect(await redis.exists('order:1', 'order:2', 'order:3')).to.equal(0);
  });
});
