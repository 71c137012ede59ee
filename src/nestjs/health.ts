/** A health indicator for @nestjs/terminus: whether Redis answers. */
import { catchError, firstValueFrom, map, of } from 'rxjs';
import type { LockCoordinator } from '../index.ts';

/** A name that nobody locks. It is inspected, which needs an answer of Redis. */
const PROBE = 'redisync:health';

/**
 * A health indicator for `@nestjs/terminus`. It asks Redis on the coordinator's own connection, within its `commandTimeout`,
 * and resolves with `{ redisync: { status: 'up' } }`, or 'down' with the reason.
 *
 * @example const check = (health: HealthCheckService, redis: RedisyncHealthIndicator) => health.check([() => redis.isHealthy()]);
 */
export class RedisyncHealthIndicator {
  private readonly locks: LockCoordinator;

  constructor(locks: LockCoordinator) {
    this.locks = locks;
  }

  /** @param key the name of the indicator in the answer */
  isHealthy(key = 'redisync'): Promise<Record<string, { status: 'up' } | { status: 'down'; reason: string }>> {
    return firstValueFrom(
      this.locks.inspect(PROBE).pipe(
        map(() => ({ [key]: { status: 'up' as const } })),
        catchError((error: Error) => of({ [key]: { status: 'down' as const, reason: error.message } })),
      ),
    );
  }
}
