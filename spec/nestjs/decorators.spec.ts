/** `@Locked` and `@LeaderOnly` on providers of a real Nest. */
import { Injectable, Module, SetMetadata } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { firstValueFrom, NEVER, type Observable, ReplaySubject, startWith } from 'rxjs';
import {
  CoordinatorClosedError,
  type Lease,
  LockCoordinator,
  LockLostError,
  LockTimeoutError,
} from '../../src/index.ts';
import { InjectLease, LeaderOnly, Locked, RedisyncModule } from '../../src/nestjs.ts';
import { memoryCoordinator } from '../../src/testing.ts';
import { eventually } from '../support/eventually.ts';
import { type Server, startServer } from '../support/server.ts';
import { rejection } from './support.ts';

@Injectable()
class Jobs {
  /** What has begun and what has ended, in order. */
  readonly log: string[] = [];
  readonly go = new ReplaySubject<void>(1);

  @Locked((id: string) => `order:${id}`)
  async charge(id: string, amount: number): Promise<string> {
    this.log.push(`begin ${amount}`);
    await firstValueFrom(this.go);
    this.log.push(`end ${amount}`);
    return `${id} ${amount}`;
  }

  @Locked('value')
  value(): number {
    return 42;
  }

  @Locked('failing')
  failing(): never {
    throw new Error('as the method threw it');
  }

  @Locked((from: string, to: string) => [from, to])
  async transfer(_from: string, _to: string, @InjectLease() leases?: readonly Lease[]): Promise<string[]> {
    return (leases ?? []).map(({ name, held }) => `${name} ${held}`);
  }

  @Locked('stream', { stream: true })
  stream(@InjectLease() lease?: Lease): Observable<number | undefined> {
    return NEVER.pipe(startWith(lease?.fence));
  }

  @Locked('busy', { skip: true })
  async skip(): Promise<string> {
    return 'done';
  }

  @Locked('busy', { timeout: 0 })
  async once(): Promise<string> {
    return 'done';
  }

  @Locked('busy', { timeout: 500 })
  async brief(): Promise<string> {
    return 'done';
  }

  @LeaderOnly('lead', { ttl: 10_000 })
  async lead(@InjectLease() lease?: Lease): Promise<number | undefined> {
    return lease?.fence;
  }

  @LeaderOnly('lead', { ttl: 10_000 })
  async follow(): Promise<string> {
    await firstValueFrom(this.go);
    return 'led';
  }

  @LeaderOnly('lead')
  @Locked('lead:run', { skip: true })
  async alone(): Promise<string> {
    await firstValueFrom(this.go);
    return 'alone';
  }

  @Locked('documented')
  @SetMetadata('below', true)
  below(): void {}
}

class Later extends Jobs {
  @Locked('later')
  override async transfer(_from: string, _to: string, note?: unknown): Promise<string[]> {
    return [String(note)];
  }
}

describe('the decorators of redisync/nestjs', () => {
  let server: Server;
  let redis: Redis;
  const stops: (() => Promise<void>)[] = [];

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
  });

  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
    expect((await redis.keys('*')).filter((key) => !/clock|:last$/.test(key))).to.deep.equal([]);
  });

  /** An instance of the application. */
  const start = async (): Promise<{ jobs: Jobs; locks: LockCoordinator; stop: () => Promise<void> }> => {
    class App {}
    Module({ imports: [RedisyncModule.forRoot({ client: redis, ttl: 10_000 })], providers: [Jobs] })(App);
    const app = await NestFactory.createApplicationContext(App, { logger: false });
    let closing: Promise<void> | undefined;
    const stop = (): Promise<void> => {
      closing ??= app.close();
      return closing;
    };
    stops.push(stop);
    return { jobs: app.get(Jobs), locks: app.get(LockCoordinator), stop };
  };

  it('run one call after the other, and give what the method gives', async () => {
    const { jobs } = await start();
    const both = [jobs.charge('7', 1), jobs.charge('7', 2)];
    jobs.go.next();
    expect(await Promise.all(both)).to.deep.equal(['7 1', '7 2']);
    expect(jobs.log).to.deep.equal(['begin 1', 'end 1', 'begin 2', 'end 2']);
    expect(await jobs.value()).to.equal(42);
    expect(await rejection(Promise.resolve(jobs.failing()))).to.have.property('message', 'as the method threw it');
  });

  it('take several names at once, and give the leases where they are asked for', async () => {
    const { jobs } = await start();
    expect(await jobs.transfer('b', 'a')).to.deep.equal(['b true', 'a true']);
  });

  it('give no lease to a method that does not ask for it, though it overrides one that does', async () => {
    await using locks = memoryCoordinator();
    const later = Object.assign(new Later(), { [Symbol.for('redisync:coordinator:')]: locks });
    expect(await later.transfer('b', 'a', 'a note')).to.deep.equal(['a note']);
  });

  it('cut a promise off when its lease is lost', async () => {
    const { jobs, locks } = await start();
    const charging = rejection(jobs.charge('8', 1));
    await eventually('the method runs', () => jobs.log.length === 1);
    await firstValueFrom(locks.forceRelease('order:8'));
    expect(await charging).to.be.instanceOf(LockLostError);
  });

  it('begin a stream when it is subscribed to, and release when it is unsubscribed from', async () => {
    const { jobs } = await start();
    const stream$ = jobs.stream();
    expect(await redis.exists('stream')).to.equal(0);
    expect(await firstValueFrom(stream$)).to.be.a('number');
    await eventually('it is released', async () => (await redis.exists('stream')) === 0);
  });

  it('skip, or fail, where the lock is busy', async () => {
    const { jobs } = await start();
    await redis.set('busy', 'another', 'PX', 60_000);
    expect(await jobs.skip()).to.equal(undefined);
    expect(await rejection(jobs.once())).to.be.instanceOf(LockTimeoutError);
    expect(await rejection(jobs.brief()))
      .to.be.instanceOf(LockTimeoutError)
      .and.to.deep.include({ lock: 'busy', owners: ['another'] });
    await redis.del('busy');
    expect([await jobs.skip(), await jobs.once(), await jobs.brief()]).to.deep.equal(['done', 'done', 'done']);
  });

  it('run the method in the leader alone, and let another process lead when that leaves', async () => {
    const [one, two] = [await start(), await start()];
    const fences = await Promise.all([one.jobs.lead(), one.jobs.lead(), one.jobs.lead()]);
    expect(new Set(fences).size).to.equal(1);
    expect(fences[0]).to.be.a('number');
    expect([await two.jobs.lead(), await one.jobs.lead()]).to.deep.equal([undefined, fences[0]]);
    await one.stop();
    expect(await two.jobs.lead()).to.be.above(Number(fences[0]));
  });

  it('skip a call in the leader, too, if both are on a method and a run has not ended', async () => {
    const { jobs } = await start();
    const runs = [jobs.alone(), jobs.alone()];
    expect(await Promise.race(runs)).to.equal(undefined);
    jobs.go.next();
    expect((await Promise.all(runs)).sort()).to.deep.equal(['alone', undefined]);
    expect(await jobs.alone()).to.equal('alone');
  });

  it('cut off the work of a leader that has lost its lease, and let it lead again', async () => {
    const { jobs, locks } = await start();
    const first = await jobs.lead();
    const led = rejection(jobs.follow());
    await firstValueFrom(locks.forceRelease('lead'));
    expect(await led).to.be.instanceOf(LockLostError);
    expect(await jobs.lead()).to.be.above(Number(first));
  });

  it('cut off work as closed, that of a leader too, where the coordinator closes', async () => {
    const { jobs, locks } = await start();
    const cut = [rejection(jobs.charge('7', 1)), rejection(jobs.follow())];
    await eventually('both hold', async () => (await redis.exists('order:7', 'lead')) === 2);
    await locks.close();
    for (const error of await Promise.all(cut)) expect(error).to.be.instanceOf(CoordinatorClosedError);
  });

  it('let work under way end before the application has shut down, and then release the lease', async () => {
    const { jobs, stop } = await start();
    const [charging, leading] = [jobs.charge('9', 1), jobs.follow()];
    await eventually('both run', async () => jobs.log.length === 1 && (await redis.exists('lead')) === 1);
    const stopped = stop();
    const refused = async (): Promise<boolean> =>
      (await rejection(Promise.resolve(jobs.value()))) instanceof CoordinatorClosedError;
    await eventually('nothing is granted any more', refused);
    jobs.go.next();
    expect(await Promise.all([charging, leading])).to.deep.equal(['9 1', 'led']);
    await stopped;
    expect(await redis.exists('lead', 'order:9')).to.equal(0);
  });

  it('keep what other decorators have said of the method', () => {
    expect(Reflect.getMetadata('below', Jobs.prototype.below)).to.equal(true);
    expect(Jobs.prototype.below.name).to.equal('below');
  });

  it('say so where Nest has made no instance', () => {
    expect(() => new Jobs().value()).to.throw(TypeError, 'Jobs.value has no LockCoordinator');
  });
});
