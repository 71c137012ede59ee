/**
 * A NestJS application, of which any number of instances run: a report is made by the leader alone, one instance at a
 * time tidies up, and an order is paid by one request at a time. Run it twice.
 */

import { setTimeout } from 'node:timers/promises';
import { Controller, Get, Inject, Module, Param, Post, UseInterceptors } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Cron, ScheduleModule } from '@nestjs/schedule';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import type { Lease } from 'redisync';
import {
  InjectLease,
  LeaderOnly,
  Locked,
  lockInterceptor,
  RedisyncHealthIndicator,
  RedisyncModule,
} from 'redisync/nestjs';

const EVERY_SECOND = '* * * * * *';

const say = (what: string, about: object = {}): void =>
  console.log(JSON.stringify({ what, pid: process.pid, ...about }));

class Jobs {
  /** Runs only in the instance that leads, at every tick. */
  @Cron(EVERY_SECOND)
  @LeaderOnly('example:nestjs:report', { ttl: 10_000 })
  async report(@InjectLease() lease?: Lease): Promise<void> {
    say('report', { second: Math.round(Date.now() / 1_000), fence: lease?.fence });
  }

  /** Runs in the instance that comes first at the tick. `minHold` keeps a late instance from running it again. */
  @Cron(EVERY_SECOND)
  @Locked('example:nestjs:tidy', { skip: true, ttl: 10_000, minHold: 500 })
  async tidy(): Promise<void> {
    say('tidy', { begins: Date.now() });
    await setTimeout(300);
    say('tidy', { ends: Date.now() });
  }
}

const byOrder = lockInterceptor(
  (context) => `example:nestjs:order:${context.switchToHttp().getRequest<{ params: { id: string } }>().params.id}`,
  { timeout: 2_000 },
);

@Controller()
class Orders {
  @Post('orders/:id')
  @UseInterceptors(byOrder)
  async pay(@Param('id') id: string): Promise<{ paid: string }> {
    await setTimeout(500);
    return { paid: id };
  }
}

@Controller()
class Health {
  constructor(
    @Inject(HealthCheckService) health: HealthCheckService,
    @Inject(RedisyncHealthIndicator) redisync: RedisyncHealthIndicator,
  ) {
    this.health = health;
    this.redisync = redisync;
  }
  private readonly health: HealthCheckService;
  private readonly redisync: RedisyncHealthIndicator;

  @Get('health')
  @HealthCheck()
  check() {
    return this.health.check([() => this.redisync.isHealthy()]);
  }
}

@Module({
  imports: [
    RedisyncModule.forRoot({ url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' }),
    ScheduleModule.forRoot(),
    TerminusModule,
  ],
  controllers: [Orders, Health],
  providers: [Jobs],
})
class App {}

const app = await NestFactory.create(App, { logger: ['error', 'warn'] });
app.enableShutdownHooks();
await app.listen(Number(process.env.PORT ?? 0), '127.0.0.1');
say('listening', { url: await app.getUrl() });
