/** What is published: packed from the sources alone, installed into an empty project, and used from there in every way. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { publint } from 'publint';
import { forRegistry } from '../build/pages.ts';
import { startServer } from './support/server.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MODULES = join(ROOT, 'node_modules');
/** Where TypeScript 5 is, and what works on its API. */
const TOOLS = join(ROOT, 'tools', 'node_modules');
const CONFIGS = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'tsconfig.cli.json'];
const PACKED = [...CONFIGS, 'README.md', 'LICENSE', 'CHANGELOG.md', 'llms.txt', 'build', 'src'];

interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
}

/** What `npm pack` tells of a tarball. */
interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
}

const manifestOf = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** A user's spec, for whichever runner. */
const NAMES = {
  redisync: 'allOf, LockLostError, RedisyncError, withLock',
  'redisync/testing': 'memoryCoordinator',
  rxjs: 'lastValueFrom, of',
};
const SPEC = `
test('work runs under both locks', async () => {
  const locks = memoryCoordinator();
  const done = await lastValueFrom(of('done').pipe(withLock(allOf(locks.mutex('a'), locks.mutex('b')))));
  await locks.close();
  expect([done, new LockLostError('a', 'taken') instanceof RedisyncError]).toEqual(['done', true]);
});`;
/** Fake timers are advanced for each answer, too. */
const FAKED = `
test('fake timers', async () => {
  const runner = typeof jest === 'undefined' ? vi : jest;
  runner.useFakeTimers();
  const locks = memoryCoordinator({ ttl: 1_000 });
  const asked = locks.mutex('a', { maxHold: 60_000 }).acquire();
  await runner.advanceTimersByTimeAsync(1);
  const lease = await asked;
  await runner.advanceTimersByTimeAsync(59_000);
  expect(lease.held).toEqual(true);
  await runner.advanceTimersByTimeAsync(1_000);
  expect(lease.held).toEqual(false);
  runner.useRealTimers();
});`;
const lines = (line: (from: string, names: string) => string): string =>
  Object.entries(NAMES)
    .map(([from, names]) => line(from, names))
    .join('\n');
const IMPORTING = lines((from, names) => `import { ${names} } from '${from}';`) + SPEC;
const REQUIRING = lines((from, names) => `const { ${names} } = require('${from}');`) + SPEC;
/** As `nest new` sets TypeScript up: the compiler tells decorators what types a class is made of. */
const NEST = `
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { LockCoordinator, type Lease } from 'redisync';
import { InjectLease, Locked } from 'redisync/nestjs';
import { memoryCoordinator } from 'redisync/testing';
import { firstValueFrom, Observable, of } from 'rxjs';
@Injectable()
class Orders {
  constructor(private readonly locks: LockCoordinator) {}
  @Locked((id: number) => \`order:\${id}\`)
  charge(id: number, @InjectLease() lease?: Lease): Observable<string> {
    return of(\`\${id} \${lease?.name} \${this.locks !== undefined}\`);
  }
  // @ts-expect-error: the name is made of a number
  @Locked((id: string) => id)
  async refund(id: number): Promise<void> {}
}
@Module({ providers: [Orders, { provide: LockCoordinator, useFactory: () => memoryCoordinator() }] })
class App {}
test('a stream is one by its declared type', async () => {
  const app = await NestFactory.createApplicationContext(App, { logger: false });
  const orders = app.get(Orders);
  expect(await firstValueFrom(orders.charge(7))).toEqual('7 order:7 true');
});`;
const GLOBALS = `
declare const test: (name: string, body: () => Promise<void>) => void;
declare const expect: (value: unknown) => { toEqual(other: unknown): void };`;

/** A user's program, for whichever compiler. */
const TYPED = `
import { Redis } from 'ioredis';
import { allOf, type Lease, LockCoordinator, withLock } from 'redisync';
import { memoryCoordinator } from 'redisync/testing';
import { type Observable, of } from 'rxjs';
const locks: LockCoordinator = process.env.TEST ? memoryCoordinator() : new LockCoordinator(new Redis());
export const charged: Observable<number> = of(1).pipe(withLock(allOf(locks.mutex('a'), locks.mutex('b'))));
export const held = async (): Promise<Lease> => locks.semaphore('c', 2).acquire({ timeout: 1_000 });
export const patient = (timeout?: number, signal?: AbortSignal, ttl?: number): Promise<Lease> =>
  locks.mutex('d', { ttl }).acquire({ timeout, signal });
// @ts-expect-error: a limit is a number
locks.semaphore('c', 'two');`;

/** How a compiler looks for types: the module format that it makes, and what the files are called. */
const TYPESCRIPT_7 = [
  ['NodeNext', 'NodeNext', ['typed.mts', 'typed.cts']],
  ['ESNext', 'Bundler', ['typed.mts']],
] as const;
const TYPESCRIPT_5 = [
  ['Node16', 'Node16', 'typed.cts'],
  ['CommonJS', 'Node10', 'typed.ts'],
] as const;

interface Diagnostic {
  readonly messageText: unknown;
  readonly file?: { readonly fileName: string };
}

/** What is used here of the API of TypeScript 5. */
interface Compiler {
  convertCompilerOptionsFromJson(json: object, folder: string, file: string): { readonly options: object };
  createProgram(files: readonly string[], options: object): Program;
}
interface Program {
  getSourceFiles(): readonly { readonly fileName: string }[];
  getOptionsDiagnostics(): readonly Diagnostic[];
  getGlobalDiagnostics(): readonly Diagnostic[];
  getSyntacticDiagnostics(file: object): readonly Diagnostic[];
  getSemanticDiagnostics(file: object): readonly Diagnostic[];
}

/** Two jobs at once, by both clients: each begins when the other has ended. */
const PROGRAM = `
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { LockCoordinator, whileHeld } from 'redisync';
import { delay, lastValueFrom, of, tap } from 'rxjs';
const url = process.env.REDIS_URL;
const seen = [];
for (const client of [new Redis(url, { lazyConnect: true }), createClient({ url })]) {
  const locks = new LockCoordinator(client);
  const work = (job) => of(job).pipe(tap(() => seen.push('begin')), delay(20), tap(() => seen.push('end')));
  await Promise.all([1, 2].map((job) => lastValueFrom(locks.mutex('job').pipe(whileHeld(() => work(job))))));
  await (await locks.mutex('job').acquire({ timeout: 60_000 })).release();
  await locks.close();
}
console.log(seen.join());`;

/** What runs it: `node`, or what RUNTIME says, such as `bun` or `deno run -A`. */
const [RUNTIME = process.execPath, ...FLAGS] = process.env.RUNTIME?.split(' ') ?? [];

/** What the library imports, beside what is for NestJS and for the command. */
const NEEDED = new Set(['@opentelemetry/api', 'rxjs', 'uuid']);

/** The packages that these need, themselves among them, all of which are installed here. */
const closure = (names: readonly string[]): string[] => {
  const found = new Set<string>();
  const visit = (name: string): void => {
    if (found.has(name)) return;
    found.add(name);
    Object.keys(manifestOf(join(MODULES, name)).dependencies ?? {}).forEach(visit);
  };
  names.forEach(visit);
  return [...found];
};

describe('the package', function () {
  this.timeout(300_000); // compilers, on a machine that may be busy
  const folder = mkdtempSync(join(tmpdir(), 'redisync-package-'));
  const source = join(folder, 'source');
  const project = join(folder, 'project');
  const installed = join(project, 'node_modules', 'redisync');
  let tarball: string;
  let packed: Packed | undefined;

  const npm = (cwd: string, ...args: string[]): string =>
    execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const node = (...args: string[]): string =>
    execFileSync(process.execPath, args, {
      cwd: project,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    }).trim();
  const run = (...args: string[]): string =>
    execFileSync(join(MODULES, '.bin', args[0] ?? ''), args.slice(1), {
      cwd: project,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const write = (name: string, text: string): void => writeFileSync(join(project, name), text);

  /** Every tarball is made of what is installed here, so that no registry is asked. */
  before('packs it and installs it', () => {
    mkdirSync(project);
    mkdirSync(source);
    for (const name of PACKED) cpSync(join(ROOT, name), join(source, name), { recursive: true });
    symlinkSync(MODULES, join(source, 'node_modules'));
    npm(source, 'run', 'build');
    npm(source, 'run', 'prepack');
    const { dependencies = {} } = manifestOf(ROOT);
    const names = closure([...Object.keys(dependencies), 'ioredis', 'rxjs', '@opentelemetry/api', '@types/node']);
    const [own]: Packed[] = JSON.parse(
      npm(source, 'pack', '--json', '--ignore-scripts', '--pack-destination', project),
    );
    packed = own;
    tarball = join(project, own?.filename ?? '');
    const entry = (name: string, file = ''): [string, string] => [name, `file:${file}`];
    const needed = names.map((name, i) => {
      const file = `${i}.tgz`;
      const from = join(MODULES, name);
      const what = ['--exclude', 'node_modules', '-C', dirname(from), basename(from)];
      execFileSync('tar', ['-czf', join(project, file), ...what]);
      return entry(name, file);
    });
    write(
      'package.json',
      JSON.stringify({ dependencies: Object.fromEntries([entry('redisync', own?.filename), ...needed]) }),
    );
    npm(project, 'install', '--offline', '--no-audit', '--no-fund');
    for (const name of ['@nestjs', 'redis']) symlinkSync(join(MODULES, name), join(project, 'node_modules', name));
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is made of what serves at run time, and of nothing else', () => {
    const files = readdirSync(installed, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
    const others = files.map(({ name }) => name).filter((name) => !/\.m?js$|\.d\.m?ts$/.test(name));
    const formats = ['package.json', 'package.json']; // of the library, and of the command
    expect(others.sort()).to.deep.equal(
      ['CHANGELOG.md', 'LICENSE', 'README.md', 'llms.txt', ...formats, 'package.json'].sort(),
    );
    expect(files.filter(({ name }) => /\.spec\.|embed/.test(name))).to.deep.equal([]);
  });

  it('declares nothing that is marked internal: a wrong argument is told what a caller may give', () => {
    const declarations = readdirSync(installed, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.d\.ts$/.test(name),
    );
    expect(declarations).to.include(join('dist', 'coordinator.d.ts'));
    for (const name of declarations)
      expect(readFileSync(join(installed, name), 'utf8'), name).not.to.include('@internal');
  });

  it('is as large as the README says, give or take a twentieth, and needs what it says', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const [, size, unpacked] = /(\d+) kB packed,\s(\d+) kB unpacked/.exec(readme) ?? [];
    expect(packed?.size).to.be.closeTo(1_000 * Number(size), 50 * Number(size));
    expect(packed?.unpackedSize).to.be.closeTo(1_000 * Number(unpacked), 50 * Number(unpacked));
    const [, needed = ''] = /three\sdependencies: (.*) for the command/.exec(readme) ?? [];
    const names = needed.match(/[\w-]+/g)?.filter((word) => word !== 'and');
    expect(names).to.have.members(Object.keys(manifestOf(ROOT).dependencies ?? {}));
  });

  it('has a README whose links lead somewhere from the registry too', () => {
    const readme = readFileSync(join(installed, 'README.md'), 'utf8');
    expect(readme).to.equal(forRegistry(readFileSync(join(ROOT, 'README.md'), 'utf8')));
    expect([...readme.matchAll(/\]\((?!https:|#)[^)]*\)/g)]).to.deep.equal([]);
  });

  it('is used over node-redis without ioredis, also by its types', () => {
    const reached = new Set<string>();
    const named: string[] = [];
    const visit = (file: string): void => {
      if (reached.has(file)) return;
      reached.add(file);
      const imports = readFileSync(join(installed, 'dist', file), 'utf8').matchAll(
        /(?:from |require\()['"]([^'"]+)['"]/g,
      );
      for (const [, name = ''] of imports) {
        if (name.startsWith('.'))
          visit(join(dirname(file), file.endsWith('.d.ts') ? name.replace(/\.ts$/, '.d.ts') : name));
        else named.push(name);
      }
    };
    for (const entry of ['index', 'testing', 'otel']) for (const ending of ['.js', '.d.ts']) visit(entry + ending);
    expect(reached.size).to.be.above(50);
    expect(new Set(named.filter((name) => !name.startsWith('node:')))).to.deep.equal(NEEDED);
  });

  it('runs nothing when it is installed', () => {
    const scripted = [
      ROOT,
      ...closure(Object.keys(manifestOf(ROOT).dependencies ?? {})).map((name) => join(MODULES, name)),
    ].filter((folder) =>
      Object.keys(manifestOf(folder).scripts ?? {}).some((script) => /^(pre|post)?install$/.test(script)),
    );
    expect(scripted).to.deep.equal([]);
  });

  it('is imported, whole, for testing and for OpenTelemetry', () => {
    write(
      'main.mjs',
      `import { LockCoordinator, withLock } from 'redisync';
       import { memoryCoordinator } from 'redisync/testing';
       import { instrument } from 'redisync/otel';
       import { lastValueFrom, of } from 'rxjs';
       const locks = memoryCoordinator();
       instrument(locks);
       console.log(locks instanceof LockCoordinator, await lastValueFrom(of('done').pipe(withLock(locks.mutex('a')))));
       await locks.close();`,
    );
    expect(node('main.mjs')).to.equal('true done');
  });

  it('is required, whole, for testing and for OpenTelemetry', () => {
    write(
      'main.cjs',
      `const { LockCoordinator } = require('redisync');
       const { memoryCoordinator } = require('redisync/testing');
       require('redisync/otel').instrument(memoryCoordinator());
       console.log(memoryCoordinator() instanceof LockCoordinator, require('redisync/package.json').name);`,
    );
    expect(node('main.cjs')).to.equal('true redisync');
  });

  it(`works on ${process.env.RUNTIME ?? 'node'}, by ioredis and by node-redis`, async () => {
    const server = await startServer();
    try {
      write('program.mjs', PROGRAM);
      const env = { ...process.env, REDIS_URL: server.url };
      const told = execFileSync(RUNTIME, [...FLAGS, 'program.mjs'], { cwd: project, env, encoding: 'utf8' });
      expect(told.trim()).to.equal('begin,end,begin,end,begin,end,begin,end');
    } finally {
      await server.stop();
    }
  });

  it('is one library in both formats, so that what is made by one is known to the other', () => {
    const entries = Object.keys(manifestOf(ROOT).exports).filter((entry) => !entry.endsWith('.json'));
    write(
      'both.mjs',
      `import { createRequire } from 'node:module';
       for (const entry of ${JSON.stringify(entries.map((entry) => entry.replace('.', 'redisync')))}) {
         const imported = await import(entry);
         const required = Object.entries(createRequire(import.meta.url)(entry));
         console.log(required.length > 0 && required.every(([name, value]) => imported[name] === value));
       }`,
    );
    expect(node('both.mjs').split('\n')).to.deep.equal(entries.map(() => 'true'));
  });

  it('is loaded by Jest, from JavaScript and by ts-jest from TypeScript and NestJS, all CommonJS', () => {
    const decorators = { experimentalDecorators: true, emitDecoratorMetadata: true };
    const tsconfig = {
      ...decorators,
      module: 'CommonJS',
      moduleResolution: 'Node10',
      target: 'ES2022',
      strict: true,
      types: ['node'],
    };
    const transform = { '\\.ts$': [createRequire(`${TOOLS}/`).resolve('ts-jest'), { tsconfig }] };
    write('plain.spec.cjs', REQUIRING + FAKED);
    write('typed.spec.ts', IMPORTING + GLOBALS);
    write('nest.spec.ts', NEST + GLOBALS);
    const projects = [
      { rootDir: project, displayName: 'js', testMatch: ['**/plain.spec.cjs'], transform: {} },
      { rootDir: project, displayName: 'ts', testMatch: ['**/*.spec.ts'], transform },
    ];
    write('jest.config.json', JSON.stringify({ projects }));
    run('jest', '--config', 'jest.config.json', '--ci', '--watchman=false', '--runInBand');
  });

  it('is loaded by Vitest', () => {
    write('plain.spec.mjs', IMPORTING + FAKED);
    run('vitest', 'run', '--globals', 'plain.spec.mjs');
  });

  it('has a command that is found', () => {
    const command = join(project, 'node_modules', '.bin', 'redisync');
    expect(execFileSync(command, ['--version'], { encoding: 'utf8' }).trim()).to.equal(manifestOf(ROOT).version);
  });

  it('is bundled by esbuild, and its errors keep their names where the bundle is minified', () => {
    const out = join(project, 'bundle.cjs');
    const settings = [
      '--bundle',
      '--minify',
      '--platform=node',
      '--format=cjs',
      '--log-level=error',
      `--outfile=${out}`,
    ];
    write(
      'entry.mjs',
      `import { LockCoordinator, LockLostError } from 'redisync';
       console.log(typeof LockCoordinator, String(new LockLostError('a', 'taken')).split(':')[0]);`,
    );
    execFileSync(join(MODULES, '.bin', 'esbuild'), ['entry.mjs', ...settings], { cwd: project });
    expect(node(out)).to.equal('function LockLostError');
  });

  const optionsFor = (module: string, moduleResolution: string) => ({
    ...{ module, moduleResolution, target: 'ES2022', lib: ['ES2023', 'ESNext.Disposable'] },
    ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true, types: ['node'] },
  });

  for (const [module, moduleResolution, files] of TYPESCRIPT_7) {
    it(`has types for ${files.join(' and ')} under ${moduleResolution}`, () => {
      for (const file of files) write(file, TYPED);
      write('tsconfig.json', JSON.stringify({ compilerOptions: optionsFor(module, moduleResolution), files }));
      execFileSync(join(MODULES, '.bin', 'tsc'), ['-p', project], { stdio: ['ignore', 'inherit', 'inherit'] });
    });
  }

  for (const [module, moduleResolution, file] of TYPESCRIPT_5) {
    // by its API, so that it checks the program and our declarations, but not those of others, which takes ten times as long
    it(`has types for ${file} under ${moduleResolution}, by TypeScript 5`, () => {
      write(file, TYPED);
      const compiler = createRequire(`${TOOLS}/`)('typescript') as Compiler;
      const config = join(project, 'tsconfig.json');
      const { options } = compiler.convertCompilerOptionsFromJson(
        optionsFor(module, moduleResolution),
        project,
        config,
      );
      const program = compiler.createProgram([join(project, file)], options);
      const ours = program.getSourceFiles().filter(({ fileName }) => /\/redisync\/dist\/|\/typed\./.test(fileName));
      expect(ours).to.have.length.above(20);
      const found = [
        ...program.getOptionsDiagnostics(),
        ...program.getGlobalDiagnostics(),
        ...ours.flatMap((each) => [...program.getSyntacticDiagnostics(each), ...program.getSemanticDiagnostics(each)]),
      ];
      expect(found.map(({ file, messageText }) => [file?.fileName, messageText])).to.deep.equal([]);
    });
  }

  it('is clean by publint', async () => {
    const bytes = readFileSync(tarball);
    const content = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    const { messages } = await publint({ pack: { tarball: content as ArrayBuffer }, strict: true });
    expect(messages).to.deep.equal([]);
  });

  it('has its types resolved as its code is, by attw', () => {
    execFileSync(join(MODULES, '.bin', 'attw'), [tarball], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  });
});
