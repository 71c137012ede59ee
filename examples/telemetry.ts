/** OpenTelemetry: `redisync/otel` writes metrics and a span for each lease to the console. */
import { ConsoleMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, ConsoleSpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { Redis } from 'ioredis';
import { LockCoordinator, withLock } from 'redisync';
import { instrument } from 'redisync/otel';
import { lastValueFrom, mergeMap, range, timer } from 'rxjs';

const meterProvider = new MeterProvider({
  readers: [new PeriodicExportingMetricReader({ exporter: new ConsoleMetricExporter() })],
});
const tracerProvider = new BasicTracerProvider({
  spanProcessors: [new SimpleSpanProcessor(new ConsoleSpanExporter())],
});

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis);
const stop = instrument(locks, {
  meterProvider,
  tracerProvider,
  nameTemplate: (name) => name.replace(/\d+/, '{id}'), // one time series for all orders, not one for each
});

const charge = (order: number) => timer(20).pipe(withLock(locks.mutex(`order:${order}`)));
await lastValueFrom(range(0, 6).pipe(mergeMap((i) => charge(i % 2))));
await locks.close();
stop();
await meterProvider.shutdown(); // writes the metrics
await tracerProvider.shutdown();
redis.disconnect();
