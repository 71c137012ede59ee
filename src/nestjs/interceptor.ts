/** A lock around the handlers of controllers. */
import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';
import type { Observable } from 'rxjs';
import { type LockCoordinator, withLock } from '../index.ts';
import { lockOf, type NameOf, type WaitOptions } from './locked.ts';
import { coordinatorToken } from './tokens.ts';

/**
 * Settings of an interceptor's lock.
 *
 * @example const options: InterceptorOptions = { timeout: 0, coordinator: 'billing' };
 */
export interface InterceptorOptions extends WaitOptions {
  /** The name of the coordinator. Default: the coordinator without a name. */
  readonly coordinator?: string | undefined;
}

/**
 * An interceptor that holds a lock while the handler, and what follows it, runs. A request that finds the lock busy until the
 * `timeout` is answered with 423, unless the module maps it to another status.
 *
 * @param name the lock, or several; or a function of the execution context
 * @example
 * ```ts
 * const byOrder = lockInterceptor((context) => `order:${context.switchToHttp().getRequest().params.id}`, { timeout: 0 });
 * class Orders {
 *   @UseInterceptors(byOrder)
 *   pay(): Promise<string> {
 *     return charge();
 *   }
 * }
 * ```
 */
export const lockInterceptor = (
  name: NameOf<[context: ExecutionContext]>,
  { coordinator, timeout, ...options }: InterceptorOptions = {},
): Type<NestInterceptor> => {
  class LockInterceptor implements NestInterceptor {
    private readonly locks: LockCoordinator;

    constructor(locks: LockCoordinator) {
      this.locks = locks;
    }

    intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
      const lock = lockOf(this.locks, name, [context], options);
      return next.handle().pipe(withLock(lock, { timeout }));
    }
  }
  Injectable()(LockInterceptor);
  Inject(coordinatorToken(coordinator))(LockInterceptor, undefined, 0);
  return LockInterceptor;
};
