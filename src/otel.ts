/** `redisync/otel`: OpenTelemetry metrics and spans from the events of a coordinator. */
import {
  type Attributes,
  type MeterProvider,
  metrics,
  type Span,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import { isObservable } from 'rxjs';
import type { LockCoordinator, LockEvent, LossReason } from './index.ts';
import { optionsIn, reading, show } from './options.ts';

/**
 * Where metrics and spans go, and how lock names appear in metrics.
 *
 * @example const options: Instrumentation = { nameTemplate: (name) => name.replace(/\d+/g, '{id}') };
 */
export interface Instrumentation {
  /** Where metrics go. Default: the global provider. */
  readonly meterProvider?: MeterProvider | undefined;
  /** Where spans go. Default: the global provider. */
  readonly tracerProvider?: TracerProvider | undefined;
  /**
   * Maps a lock's name to an attribute of metrics. Every distinct value costs a time series for ever, so map to few values,
   * such as 'order:{id}'. Without it, or if it returns undefined, metrics have no name. Spans always have it.
   */
  readonly nameTemplate?: ((name: string) => string | undefined) | undefined;
}

const SCOPE = 'redisync';

/** Bounds of histograms, in seconds: from a hand-off on one machine to a day's job. */
const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 3_600];

/**
 * Makes metrics and spans of all locks of a coordinator, until the returned function is called.
 *
 * - `redisync.wait.duration`, `redisync.hold.duration`: histograms, in seconds
 * - `redisync.grants`, `redisync.losses` (by `redisync.loss.reason`), `redisync.abandoned`, `redisync.time_outs`, `redisync.hand_offs`,
 *   `redisync.renewal.failures`, `redisync.attempt.failures`: counters
 * - `redisync.held`, `redisync.waiting`: how many leases and waiters this process has now
 * - a span `redisync.hold` for each lease, with `redisync.lock`, `redisync.owner` and `redisync.fence`. It is a child of
 *   what was active where the lock was subscribed to, or acquired, whoever's release or connection has brought the grant
 *
 * A wait that times out counts as `abandoned` too, like every wait that ends without a grant after it was denied once. Watching
 * never influences locking.
 *
 * @returns stops it, and ends the spans of what is still held
 * @throws TypeError
 * @example const stop = instrument(locks, { nameTemplate: (name) => name.replace(/\d+/g, '{id}') });
 */
export const instrument = (locks: LockCoordinator, options: Instrumentation = {}): (() => void) => {
  const events$: unknown = reading('locks', () => locks?.events$);
  if (!isObservable(events$)) throw new TypeError(`locks must be a LockCoordinator, got ${show(locks)}`);
  const telemetry = new Telemetry(checked(options));
  const subscription = locks.events$.subscribe({
    next: (event) => telemetry.take(event),
    complete: () => telemetry.stop(),
  });
  return () => {
    subscription.unsubscribe();
    telemetry.stop();
  };
};

/** Checks the options now: what fails at an event would be an uncaught exception. @throws TypeError */
const checked = (options: Instrumentation): Instrumentation => {
  const given = optionsIn('options', options, ['meterProvider', 'tracerProvider', 'nameTemplate']);
  const must = (option: keyof Instrumentation, what: string, right: boolean): void => {
    if (given[option] !== undefined && !right)
      throw new TypeError(`${option} must be a ${what}, got ${show(given[option])}`);
  };
  must('meterProvider', 'MeterProvider', typeof given.meterProvider?.getMeter === 'function');
  must('tracerProvider', 'TracerProvider', typeof given.tracerProvider?.getTracer === 'function');
  must('nameTemplate', 'function of the name', typeof given.nameTemplate === 'function');
  return given;
};

const instruments = (provider: MeterProvider) => {
  const meter = provider.getMeter(SCOPE);
  const histogram = (name: string, description: string) =>
    meter.createHistogram(name, { description, unit: 's', advice: { explicitBucketBoundaries: SECONDS } });
  const counter = (name: string, unit: string, description: string) => meter.createCounter(name, { unit, description });
  const gauge = (name: string, unit: string, description: string) =>
    meter.createUpDownCounter(name, { unit, description });
  return {
    wait: histogram('redisync.wait.duration', 'From asking for a lock to its grant'),
    hold: histogram('redisync.hold.duration', 'From the grant of a lease to its release or loss'),
    grants: counter('redisync.grants', '{lease}', 'Leases granted'),
    losses: counter('redisync.losses', '{lease}', 'Leases that ended without being released'),
    abandoned: counter('redisync.abandoned', '{waiter}', 'Waits that ended without a grant, timeouts among them'),
    handOffs: counter('redisync.hand_offs', '{lease}', 'Leases that went straight to the next waiter'),
    timeOuts: counter('redisync.time_outs', '{waiter}', 'Waits that ended by the timeout of acquire()'),
    renewalFailures: counter('redisync.renewal.failures', '{attempt}', 'Renewals that failed and are tried again'),
    attemptFailures: counter(
      'redisync.attempt.failures',
      '{attempt}',
      'Attempts to acquire that failed and are tried again',
    ),
    held: gauge('redisync.held', '{lease}', 'Leases held now'),
    waiting: gauge('redisync.waiting', '{waiter}', 'Waiters now'),
  };
};

const keyOf = ({ name, owner }: { name: string; owner: string }): string => JSON.stringify([name, owner]);

class Telemetry {
  private readonly to: ReturnType<typeof instruments>;
  private readonly tracer: Tracer;
  private readonly nameTemplate: (name: string) => string | undefined;
  /** The spans and counts that are open, by owner and name: each is ended once. */
  private readonly waiting = new Map<string, Attributes>();
  private readonly held = new Map<string, { readonly attributes: Attributes; readonly span: Span }>();

  constructor({ meterProvider, tracerProvider, nameTemplate = () => undefined }: Instrumentation) {
    this.to = instruments(meterProvider ?? metrics.getMeterProvider());
    this.tracer = (tracerProvider ?? trace.getTracerProvider()).getTracer(SCOPE);
    this.nameTemplate = nameTemplate;
  }

  take(event: LockEvent): void {
    const { to } = this;
    const template = this.nameTemplate(event.name);
    const attributes: Attributes = template === undefined ? {} : { 'redisync.lock.template': template };
    switch (event.type) {
      case 'waiting':
        this.waiting.set(keyOf(event), attributes);
        to.waiting.add(1, attributes);
        break;
      case 'acquired':
        this.leaveQueue(keyOf(event));
        this.begin(event, attributes);
        to.grants.add(1, attributes);
        to.wait.record(event.waited / 1_000, attributes);
        break;
      case 'abandoned':
        this.leaveQueue(keyOf(event));
        to.abandoned.add(1, attributes);
        if (event.timedOut) to.timeOuts.add(1, attributes);
        break;
      case 'lost':
        to.losses.add(1, { ...attributes, 'redisync.loss.reason': event.reason });
        to.hold.record(event.held / 1_000, attributes);
        this.end(keyOf(event), event.at, event.reason);
        break;
      case 'released':
      case 'detached':
        to.hold.record(event.held / 1_000, attributes);
        this.end(keyOf(event), event.at);
        break;
      case 'handedOver':
        to.handOffs.add(event.to, attributes);
        break;
      case 'renewalFailed':
        to.renewalFailures.add(1, attributes);
        this.held.get(keyOf(event))?.span.addEvent('renewal failed', { reason: event.error.message }, event.at);
        break;
      case 'attemptFailed':
        to.attemptFailures.add(1, attributes);
        break;
    }
  }

  /** Ends all open spans, because no event will. */
  stop(): void {
    for (const key of this.waiting.keys()) this.leaveQueue(key);
    for (const key of this.held.keys()) this.end(key, Date.now());
  }

  private begin({ name, owner, at, fence }: LockEvent & { type: 'acquired' }, attributes: Attributes): void {
    const about = { 'redisync.lock': name, 'redisync.owner': owner, ...attributes };
    const span = this.tracer.startSpan('redisync.hold', {
      startTime: at,
      attributes: { ...about, 'redisync.fence': fence },
    });
    this.held.set(keyOf({ name, owner }), { attributes, span });
    this.to.held.add(1, attributes);
  }

  private end(key: string, at: number, reason?: LossReason): void {
    const open = this.held.get(key);
    if (!open) return;
    this.held.delete(key);
    this.to.held.add(-1, open.attributes);
    if (reason) open.span.setStatus({ code: SpanStatusCode.ERROR, message: `The lease was lost: ${reason}` });
    open.span.end(at);
  }

  private leaveQueue(key: string): void {
    const attributes = this.waiting.get(key);
    this.waiting.delete(key);
    if (attributes) this.to.waiting.add(-1, attributes);
  }
}
