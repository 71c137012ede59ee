/** The answers to errors of locks: over HTTP, and to messages of microservices and WebSockets. */
import { type ArgumentsHost, Catch, HttpException, HttpStatus } from '@nestjs/common';
import { BaseExceptionFilter, type HttpAdapterHost } from '@nestjs/core';
import { type Observable, throwError } from 'rxjs';
import { RedisyncError } from '../index.ts';

/**
 * Maps an error of a lock to an HTTP status; where it returns undefined, `httpStatusOf` decides.
 *
 * @example const conflict: HttpStatusOf = ({ code }) => (code === 'LOCK_TIMEOUT' ? 409 : undefined);
 */
export type HttpStatusOf = (error: RedisyncError) => number | undefined;

const STATUS: Readonly<Record<string, HttpStatus>> = {
  LOCK_TIMEOUT: 423, // HttpStatus has no name for it: Locked
  LOCK_LOST: HttpStatus.CONFLICT,
  LOCK_ABORTED: HttpStatus.SERVICE_UNAVAILABLE,
  REDIS_UNREACHABLE: HttpStatus.SERVICE_UNAVAILABLE,
  REDIS_REFUSED: HttpStatus.SERVICE_UNAVAILABLE,
  NOT_REPLICATED: HttpStatus.SERVICE_UNAVAILABLE,
  COORDINATOR_CLOSED: HttpStatus.SERVICE_UNAVAILABLE,
};

/**
 * 423 Locked: the lock was busy, at once or until the time was out. 409 Conflict: the lease was lost during the work.
 * 503 Service Unavailable: Redis is out of reach or refuses, or this process shuts down. Anything else is a 500.
 *
 * @example const status = (error: RedisyncError): number => httpStatusOf(error);
 */
export const httpStatusOf = ({ code }: RedisyncError): number => STATUS[code] ?? HttpStatus.INTERNAL_SERVER_ERROR;

/**
 * Answers a lock's error with its status and its code, as in `{ "statusCode": 423, "error": "LOCK_TIMEOUT" }`. The message is
 * left out, because it names the lock and its holders. A microservice answers, and a WebSocket emits as `exception`, what
 * Nest does for errors of its own: `{ "status": "error", "message": "LOCK_TIMEOUT" }`. RedisyncModule applies this filter to
 * the whole application.
 *
 * @example app.useGlobalFilters(new RedisyncExceptionFilter(app.get(HttpAdapterHost), ({ code }) => (code === 'LOCK_TIMEOUT' ? 409 : undefined)));
 */
export class RedisyncExceptionFilter extends BaseExceptionFilter {
  private readonly statusOf: HttpStatusOf;

  constructor({ httpAdapter }: HttpAdapterHost, statusOf: HttpStatusOf = () => undefined) {
    super(httpAdapter);
    this.statusOf = statusOf;
  }

  override catch(error: RedisyncError, host: ArgumentsHost): Observable<never> | undefined {
    const kind: string = host.getType();
    const told = { status: 'error', message: error.code };
    if (kind === 'rpc') return throwError(() => told); // Nest awaits an Observable; after a throw it would answer nothing
    if (kind === 'ws') host.switchToWs().getClient<Emitter>().emit('exception', told);
    else if (kind === 'http') this.answer(error, host);
    else throw error; // GraphQL and others answer it themselves
    return undefined;
  }

  private answer(error: RedisyncError, host: ArgumentsHost): void {
    const status = this.statusOf(error) ?? httpStatusOf(error);
    super.catch(new HttpException({ statusCode: status, error: error.code }, status, { cause: error }), host);
  }
}

/** The client of a WebSocket, as Nest's own filter takes it. */
interface Emitter {
  emit(event: string, value: unknown): unknown;
}

Catch(RedisyncError)(RedisyncExceptionFilter);
