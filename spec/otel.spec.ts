import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Context,
  type ContextManager,
  context,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { LockCoordinator, LockTimeoutError } from '../src/index.ts';
import { type Instrumentation, instrument } from '../src/otel.ts';
import { eventually } from './support/eventually.ts';
import { type Server, startServer } from './support/server.ts';

/** One data point: a number, or the count of a histogram. */
interface Point {
  readonly metric: string;
  readonly unit: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly value: number;
}

describe('instrument()', () => {
  let server: Server;
  let redis: Redis;
  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
  });
  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  const spans = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  let exporter: InMemoryMetricExporter;
  let meterProvider: MeterProvider;
  let locks: LockCoordinator;
  let stop: () => void;
  const begin = (options: Instrumentation = {}): void => {
    stop = instrument(locks, { meterProvider, tracerProvider, ...options });
  };
  beforeEach(() => {
    spans.reset();
    exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    meterProvider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] });
    locks = new LockCoordinator(redis, { ttl: 2_000 });
  });
  afterEach(async () => {
    stop();
    await locks.close();
    await meterProvider.shutdown();
  });

  const points = async (): Promise<Point[]> => {
    await meterProvider.forceFlush();
    const latest =
      exporter
        .getMetrics()
        .at(-1)
        ?.scopeMetrics.flatMap(({ metrics }) => metrics) ?? [];
    return latest.flatMap(({ descriptor, dataPoints }) =>
      dataPoints.map(({ value, attributes }) => ({
        metric: descriptor.name,
        unit: descriptor.unit,
        attributes,
        value: typeof value === 'number' ? value : value.count,
      })),
    );
  };
  const values = async (): Promise<Record<string, number>> =>
    Object.fromEntries((await points()).map(({ metric, value }) => [metric, value]));

  it('measures waits and holds, and counts grants, hand-offs and who is there now', async () => {
    begin();
    const first = await locks.mutex('measured').acquire();
    const second = locks.mutex('measured').acquire();
    await eventually('the second waits', async () => (await values())['redisync.waiting'] === 1);
    expect(await values()).to.include({ 'redisync.held': 1, 'redisync.grants': 1, 'redisync.wait.duration': 1 });
    await first.release();
    await (await second).release();
    expect(await values()).to.include({
      'redisync.held': 0,
      'redisync.waiting': 0,
      'redisync.grants': 2,
      'redisync.hand_offs': 1,
      'redisync.wait.duration': 2,
      'redisync.hold.duration': 2,
    });
    const units = (await points()).filter(({ metric }) => metric.endsWith('duration')).map(({ unit }) => unit);
    expect(new Set(units)).to.deep.equal(new Set(['s']));
  });

  it('counts losses by their reason, and waits that time out', async () => {
    begin();
    const lease = await locks.mutex('lost').acquire();
    const error = await locks
      .mutex('lost')
      .acquire({ timeout: 2_000 }) // Redis has to answer by then, else the wait ends with another error
      .catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(LockTimeoutError);
    const leaving = locks.mutex('lost').subscribe();
    await eventually('another waits', async () => (await values())['redisync.waiting'] === 1);
    leaving.unsubscribe();
    await redis.set('lost', 'a thief', 'PX', 60_000);
    await lease.renew().catch(() => undefined);
    expect(await values()).to.include({
      'redisync.losses': 1,
      'redisync.abandoned': 2,
      'redisync.time_outs': 1,
      'redisync.held': 0,
      'redisync.waiting': 0,
    });
    const losses = (await points()).find(({ metric }) => metric === 'redisync.losses');
    expect(losses?.attributes).to.deep.equal({ 'redisync.loss.reason': 'taken' });
  });

  it('makes a span of each hold, with its fencing token, and marks one that was lost', async () => {
    begin();
    const [kept, lost] = [await locks.mutex('span:1').acquire(), await locks.mutex('span:2').acquire()];
    await kept.release();
    await redis.del('span:2');
    await lost.renew().catch(() => undefined);
    const [good, bad] = spans.getFinishedSpans();
    expect(good?.name).to.equal('redisync.hold');
    expect(good?.attributes).to.deep.equal({
      'redisync.lock': 'span:1',
      'redisync.owner': kept.owner,
      'redisync.fence': kept.fence,
    });
    expect(good?.status.code).to.equal(SpanStatusCode.UNSET);
    expect(bad?.status).to.deep.equal({ code: SpanStatusCode.ERROR, message: 'The lease was lost: taken' });
  });

  it('counts one lease of one owner, however many have it', async () => {
    begin();
    const same = [1, 2].map(() => locks.mutex('same', { owner: 'me' }).acquire());
    const [one, two] = await Promise.all(same);
    expect(await values()).to.include({ 'redisync.held': 1 });
    await Promise.all([one?.release(), two?.release()]);
    expect(await values()).to.include({ 'redisync.held': 0, 'redisync.grants': 1 });
    expect(spans.getFinishedSpans()).to.have.lengthOf(1);
  });

  it('makes a span the child of the span that was active at the subscription, however the grant came', async () => {
    const contexts = new AsyncLocalStorage<Context>();
    const manager: ContextManager = {
      active: () => contexts.getStore() ?? ROOT_CONTEXT,
      with: (active, run, self, ...args) => contexts.run(active, () => run.apply(self, args)),
      bind: (_, target) => target,
      enable: () => manager,
      disable: () => {
        contexts.disable();
        return manager;
      },
    };
    context.setGlobalContextManager(manager);
    try {
      begin();
      const tracer = tracerProvider.getTracer('spec');
      const [one, two] = [tracer.startSpan('one'), tracer.startSpan('two')];
      const within = (span: Span | undefined) => (span ? trace.setSpan(ROOT_CONTEXT, span) : ROOT_CONTEXT);
      const lock = locks.mutex('traced');
      const acquire = (span?: Span) => context.with(within(span), () => lock.acquire());
      const first = await acquire(one);
      const second = acquire(two);
      await eventually('the second waits', async () => (await values())['redisync.waiting'] === 1);
      const third = acquire();
      await eventually('the third waits', async () => (await values())['redisync.waiting'] === 2);
      await context.with(within(one), () => first.release()); // hands the lock to the second, in the context of the first
      await (await second).release();
      await (await third).release();
      const parents = spans.getFinishedSpans().map(({ parentSpanContext }) => parentSpanContext?.spanId);
      expect(parents).to.deep.equal([one.spanContext().spanId, two.spanContext().spanId, undefined]);
    } finally {
      context.disable();
    }
  });

  it('tells metrics apart by name only as the template says', async () => {
    begin({ nameTemplate: (name) => (name.startsWith('order:') ? 'order:{id}' : undefined) });
    for (const name of ['order:1', 'order:2', 'other']) await (await locks.mutex(name).acquire()).release();
    const grants = (await points()).filter(({ metric }) => metric === 'redisync.grants');
    expect(grants.map(({ attributes, value }) => [attributes['redisync.lock.template'], value])).to.have.deep.members([
      ['order:{id}', 2],
      [undefined, 1],
    ]);
  });

  it('stops when asked to, and ends the open spans', async () => {
    begin();
    const lease = await locks.mutex('stopped').acquire();
    stop();
    stop();
    expect(await values()).to.include({ 'redisync.held': 0, 'redisync.grants': 1 });
    expect(spans.getFinishedSpans()).to.have.lengthOf(1);
    expect(lease.held).to.equal(true);
    await lease.release();
    await (await locks.mutex('stopped').acquire()).release();
    expect(await values()).to.include({ 'redisync.held': 0, 'redisync.grants': 1 });
  });

  it('refuses at once what it could not use, and says what is wrong', () => {
    const wrong = (options: unknown): (() => unknown) => {
      return () => Reflect.apply(instrument, undefined, [locks, options]);
    };
    expect(wrong({ nameTemplate: 'order' })).to.throw(
      TypeError,
      'nameTemplate must be a function of the name, got "order"',
    );
    expect(wrong({ nameTemplat: () => 'order' })).to.throw(TypeError, 'did you mean nameTemplate?');
    expect(wrong({ meterProvider: tracerProvider })).to.throw(TypeError, 'meterProvider must be a MeterProvider');
    expect(wrong({ tracerProvider: {} })).to.throw(TypeError, 'tracerProvider must be a TracerProvider, got an object');
    expect(wrong(null)).to.throw(TypeError, 'options must be an object, got null');
    expect(() => Reflect.apply(instrument, undefined, [{}])).to.throw(TypeError, 'locks must be a LockCoordinator');
    stop = () => undefined;
  });

  it('does without telemetry where no provider is registered', async () => {
    stop = instrument(locks);
    await (await locks.mutex('silent').acquire()).release();
  });
});
