/** `redisync/nestjs`: locks as a module of NestJS, with decorators, an interceptor, HTTP answers and a health indicator. */
export { RedisyncHealthIndicator } from './nestjs/health.ts';
export { type HttpStatusOf, httpStatusOf, RedisyncExceptionFilter } from './nestjs/http.ts';
export { type InterceptorOptions, lockInterceptor } from './nestjs/interceptor.ts';
export { LeaderOnly, type LeaderOptions } from './nestjs/leader-only.ts';
export { Locked, type LockedOptions, type WaitOptions } from './nestjs/locked.ts';
export { InjectLease } from './nestjs/method.ts';
export {
  type RedisyncAsyncOptions,
  RedisyncModule,
  type RedisyncModuleOptions,
  type RedisyncOptions,
} from './nestjs/module.ts';
export { coordinatorToken, InjectCoordinator } from './nestjs/tokens.ts';
