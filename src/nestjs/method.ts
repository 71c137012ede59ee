/** Decorates a method, so that each call runs under a lease of the coordinator that Nest has injected into the instance. */
import { Inject } from '@nestjs/common';
import type {} from 'reflect-metadata';
import { defer, from, isObservable, lastValueFrom, type Observable } from 'rxjs';
import { type Held, LockCoordinator } from '../index.ts';
import { coordinatorToken } from './tokens.ts';

/** A decorator of methods that begin with the arguments `A`; in the manner of `experimentalDecorators`, as Nest's are. */
export type MethodDecoratorOf<A extends readonly unknown[]> = <P extends [...A, ...unknown[]], R>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<(...args: P) => R>,
) => void;

export interface MethodOptions {
  /** The name of the coordinator. Default: the coordinator without a name. */
  readonly coordinator?: string | undefined;
  /**
   * Whether the method returns an Observable rather than a promise. Default: what its declared return type says, if the
   * compiler emits it (`emitDecoratorMetadata`); otherwise a promise.
   */
  readonly stream?: boolean | undefined;
}

/** How one call is run: when `call` is subscribed to, the method itself runs. */
type RunCall = (
  locks: LockCoordinator,
  args: readonly unknown[],
  call: (held: Held) => Observable<unknown>,
) => Observable<unknown>;

const LEASE = Symbol('redisync:lease');

/**
 * Marks the parameter that receives the lease of a method under `@Locked` or `@LeaderOnly`, or the leases of several names.
 *
 * @example
 * ```ts
 * class Reports {
 *   @Locked('report')
 *   async build(@InjectLease() lease?: Lease): Promise<void> {
 *     report(lease?.fence);
 *   }
 * }
 * ```
 */
export const InjectLease = (): ParameterDecorator => (target, key, index) => {
  if (key !== undefined) Reflect.defineMetadata(LEASE, index, target, key);
};

/** The property into which Nest injects the coordinator. An instance that is made by hand has none. */
const injectedInto = (target: object, name: string | undefined): symbol => {
  const property = Symbol.for(`redisync:coordinator:${name ?? ''}`);
  Inject(coordinatorToken(name))(target, property);
  return property;
};

const isStream = (target: object, key: string | symbol): boolean => {
  const declared: unknown = Reflect.getMetadata('design:returntype', target, key);
  return typeof declared === 'function' && typeof declared.prototype?.subscribe === 'function';
};

/** Copies the metadata of other decorators, such as a route or a schedule, so that the order of decorators does not matter. */
const copyMetadata = (from: object, to: object): void => {
  for (const key of Reflect.getMetadataKeys(from)) Reflect.defineMetadata(key, Reflect.getMetadata(key, from), to);
};

export const decorated =
  <A extends readonly unknown[]>(options: MethodOptions, run: RunCall): MethodDecoratorOf<A> =>
  (target, key, descriptor) => {
    const method = descriptor.value;
    if (typeof method !== 'function')
      throw new TypeError(`@Locked and @LeaderOnly decorate methods, and ${String(key)} is none`);
    const injected = injectedInto(target, options.coordinator);
    const stream = options.stream ?? isStream(target, key);
    const lease: number | undefined = Reflect.getOwnMetadata(LEASE, target, key); // its own, not that of a method that it overrides

    const called = (self: object, args: readonly unknown[], held: Held): Observable<unknown> =>
      defer(() => {
        const given = [...args];
        if (lease !== undefined) given[lease] = held;
        const result: unknown = Reflect.apply(method, self, given);
        return isObservable(result) ? result : from(Promise.resolve(result));
      });

    function wrapper(this: object, ...args: readonly unknown[]): unknown {
      const locks: unknown = Reflect.get(this, injected);
      if (!(locks instanceof LockCoordinator)) {
        const method = `${this.constructor.name}.${String(key)}`;
        throw new TypeError(`${method} has no LockCoordinator: import RedisyncModule, and let Nest make the instance`);
      }
      const result$ = defer(() => run(locks, args, (held) => called(this, args, held)));
      return stream ? result$ : lastValueFrom(result$, { defaultValue: undefined });
    }

    copyMetadata(method, wrapper);
    Object.defineProperty(wrapper, 'name', { value: method.name });
    Reflect.set(descriptor, 'value', wrapper);
  };
