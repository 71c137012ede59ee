/** RedisyncModule: provides coordinators, and closes them when the application shuts down. */
import {
  type DynamicModule,
  type FactoryProvider,
  Inject,
  type InjectionToken,
  Module,
  type ModuleMetadata,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { APP_FILTER, HttpAdapterHost } from '@nestjs/core';
import { type CoordinatorOptions, LockCoordinator } from '../index.ts';
import { duration, show } from '../options.ts';
import type { Source } from '../store/given.ts';
import { RedisyncHealthIndicator } from './health.ts';
import { type HttpStatusOf, RedisyncExceptionFilter } from './http.ts';
import { resignAll } from './leader-only.ts';
import { coordinatorToken } from './tokens.ts';

/**
 * Where Redis is, and settings of the coordinator.
 *
 * @example const options: RedisyncOptions = { url: 'redis://localhost:6379', ttl: 10_000 };
 */
export type RedisyncOptions = Settings & (OfClient | OfUrl);

interface Settings extends CoordinatorOptions {
  /** How long leases may still be held when the application shuts down, in ms; then they are ended. Default: 10 000. */
  readonly drain?: number | undefined;
  /** Maps a lock's error to an HTTP status; where it returns undefined, `httpStatusOf` decides. */
  readonly httpStatus?: HttpStatusOf | undefined;
}

interface OfClient {
  /** The client, or the nodes of a quorum, for the LockCoordinator. The caller closes it. */
  readonly client: Source | readonly Source[];
}

interface OfUrl {
  /** Where Redis is, for ioredis: `redis://` or, with TLS, `rediss://`. */
  readonly url: string;
}

interface Named {
  /** The name of the coordinator if there are several; see InjectCoordinator. */
  readonly name?: string | undefined;
}

/**
 * What `forRoot` takes.
 *
 * @example const options: RedisyncModuleOptions = { name: 'billing', client: redis };
 */
export type RedisyncModuleOptions = RedisyncOptions & Named;

/**
 * What `forRootAsync` takes: `useFactory` gives the options, from what it is injected.
 *
 * @example const options: RedisyncAsyncOptions = { inject: ['REDIS_URL'], useFactory: (url: string) => ({ url }) };
 */
export interface RedisyncAsyncOptions
  extends Named,
    Pick<ModuleMetadata, 'imports'>,
    Pick<FactoryProvider<RedisyncOptions>, 'inject' | 'useFactory'> {}

/** The settings of one import of the module, which only that import knows. */
interface Running {
  readonly locks: LockCoordinator;
  readonly httpStatus: HttpStatusOf | undefined;
  readonly drain: number;
}

const RUNNING: InjectionToken<Running> = Symbol('redisync:running');

/** The coordinator that this import provides, or what a test has put in its place. */
const PROVIDED: InjectionToken = Symbol('redisync:provided');

/** The default drain, in ms: a third of the time that Kubernetes waits before it kills. */
const DRAIN = 10_000;

/**
 * Makes a client from a URL. ioredis is loaded only here; it would take a URL that is missing for the local Redis. The client is
 * never connected: a coordinator has connections of its own.
 */
const atUrl = async ({ url, ...options }: OfUrl & CoordinatorOptions) => {
  if (typeof url !== 'string' || !/^rediss?:\/\/[^/?#]/i.test(url)) {
    const got = typeof url === 'string' ? 'another string' : show(url); // not shown: it may have a password
    throw new TypeError(`url must be redis://HOST:PORT or rediss://HOST:PORT, got ${got}`);
  }
  const { Redis } = await import('ioredis');
  return { client: new Redis(url, { lazyConnect: true }), options };
};

const ofClient = ({ client, ...options }: OfClient & CoordinatorOptions) => ({ client, options });

const run = async ({ httpStatus, drain = DRAIN, ...given }: RedisyncOptions): Promise<Running> => {
  duration('drain', drain, 0); // now, since an error at the shutdown would leave the leases to lapse
  if (httpStatus !== undefined && typeof httpStatus !== 'function')
    throw new TypeError(`httpStatus must be a function of the error, got ${show(httpStatus)}`);
  const { client, options } = 'url' in given ? await atUrl(given) : ofClient(given);
  return { locks: new LockCoordinator(client, options), httpStatus, drain };
};

type Providers = Pick<FactoryProvider<RedisyncOptions>, 'inject' | 'useFactory'>;

const moduleOf = (name: string | undefined, imports: ModuleMetadata['imports'], options: Providers): DynamicModule => {
  const locks = coordinatorToken(name);
  const health: FactoryProvider = {
    provide: RedisyncHealthIndicator,
    inject: [locks],
    useFactory: (locks: LockCoordinator) => new RedisyncHealthIndicator(locks),
  };
  const filter: FactoryProvider = {
    provide: APP_FILTER,
    inject: [HttpAdapterHost, RUNNING],
    useFactory: (host: HttpAdapterHost, { httpStatus }: Running) => new RedisyncExceptionFilter(host, httpStatus),
  };
  const ofAll = name === undefined ? [health] : [];
  return {
    module: RedisyncModule,
    global: true,
    imports: imports ?? [],
    providers: [
      {
        provide: RUNNING,
        inject: options.inject ?? [],
        useFactory: async (...args) => run(await options.useFactory(...args)),
      },
      { provide: locks, inject: [RUNNING], useFactory: ({ locks }: Running) => locks },
      { provide: PROVIDED, useExisting: locks },
      filter,
      ...ofAll,
    ],
    exports: [locks, ...ofAll.map(({ provide }) => provide)],
  };
};

/**
 * Provides a LockCoordinator to the whole application. When the application shuts down, after the last request, no lease is
 * granted any more, jobs that hold one may end within `drain`, and then the coordinator closes. Import the module once for
 * each coordinator; of several, all but one have a `name`.
 *
 * Errors of locks are answered over HTTP by RedisyncExceptionFilter.
 *
 * @example
 * const imports = [
 *   RedisyncModule.forRoot({ url: 'redis://localhost:6379', ttl: 10_000 }),
 *   RedisyncModule.forRootAsync({ name: 'billing', useFactory: () => ({ client: redis }) }),
 * ];
 */
export class RedisyncModule implements OnApplicationShutdown {
  private readonly running: Running;
  private readonly locks: unknown;

  /** @internal */
  constructor(running: Running, locks: unknown) {
    this.running = running;
    this.locks = locks;
  }

  static forRoot({ name, ...options }: RedisyncModuleOptions): DynamicModule {
    return moduleOf(name, [], { useFactory: () => options });
  }

  static forRootAsync({ name, imports, ...options }: RedisyncAsyncOptions): DynamicModule {
    return moduleOf(name, imports, options);
  }

  /** The last hook: no request is under way any more. */
  async onApplicationShutdown(): Promise<void> {
    const { locks } = this;
    if (!(locks instanceof LockCoordinator)) return; // a stand-in of a test, by overrideProvider
    resignAll(locks);
    await locks.close({ drain: this.running.drain });
  }
}

Module({})(RedisyncModule);
Inject(RUNNING)(RedisyncModule, undefined, 0);
Inject(PROVIDED)(RedisyncModule, undefined, 1);
