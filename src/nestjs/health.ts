/** A health indicator for @nestjs/terminus: whether Redis answers. */
import { catchError, firstValueFrom, map, of } from 'rxjs';
import type { LockCoordinator } from '../index.ts';

/** A name that nobody locks: inspecting it asks Redis. */
const PROBE = 'redisync:health';

/**
 * Asks Redis, on the coordinator's own connection and within its `commandTimeout`, and gives what a health indicator of
 * `@nestjs/terminus` gives: `{ redisync: { status: 'up' } }`, or 'down' with the reason.
 *
 * @example const check = (health: HealthCheckService, redis: RedisyncHealthIndicator) => health.check([() => redis.isHealthy()]);
 */
export class RedisyncHealthIndicator {
  private readonly locks: LockCoordinator;

  constructor(locks: LockCoordinator) {
    this.locks = locks;
  }

  /** @param key what the answer goes by */
  isHealthy(key = 'redisync'): Promise<Record<string, { status: 'up' } | { status: 'down'; reason: string }>> {
    return firstValueFrom(
      this.locks.inspect(PROBE).pipe(
        map(() => ({ [key]: { status: 'up' as const } })),
        catchError((error: Error) => of({ [key]: { status: 'down' as const, reason: error.message } })),
      ),
    );
  }
}
