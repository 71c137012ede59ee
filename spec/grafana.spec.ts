/** The dashboard for Grafana asks for the metrics that there are, by the names and labels that Prometheus has them under. */
import { readFileSync } from 'node:fs';
import type { Attributes } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { expect } from 'chai';
import { instrument } from '../src/otel.ts';
import { memoryCoordinator } from '../src/testing.ts';

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly gridPos: Readonly<Record<'h' | 'w' | 'x' | 'y', number>>;
    readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
  }[];
}

const ATTRIBUTES: Attributes = { 'redisync.lock.template': 'order:{id}', 'redisync.loss.reason': 'taken' };

/** What Prometheus is told when every instrument that is made has one point. */
const told = async (): Promise<string> => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] });
  const locks = memoryCoordinator();
  const meterProvider = {
    getMeter: (name: string) =>
      new Proxy(provider.getMeter(name), {
        get: (meter, create) => (name: string, options: object) => {
          const made: object = Reflect.apply(Reflect.get(meter, create), meter, [name, options]);
          const measure: unknown = Reflect.get(made, 'record') ?? Reflect.get(made, 'add');
          if (typeof measure === 'function') Reflect.apply(measure, made, [1, ATTRIBUTES]);
          return made;
        },
      }),
  };
  instrument(locks, { meterProvider })();
  await provider.forceFlush();
  const [metrics] = exporter.getMetrics();
  await Promise.all([provider.shutdown(), locks.close()]);
  return metrics ? new PrometheusSerializer().serialize(metrics) : '';
};

describe('docs/grafana.json', () => {
  const { panels }: Dashboard = JSON.parse(readFileSync(new URL('../docs/grafana.json', import.meta.url), 'utf8'));
  const queries = panels.flatMap(({ targets }) => targets);

  it('shows every metric, and no other', async () => {
    const names = new Set([...(await told()).matchAll(/^# TYPE (redisync_\w+)/gm)].map(([, name = '']) => name));
    // an exporter of its own leaves out the unit, which the collector and Prometheus itself add
    const shown = queries.flatMap(({ expr }) => [...expr.matchAll(/\b(redisync_\w+?)(?:\{|\(_seconds\)\?_bucket")/g)]);
    expect(names.size).to.be.above(10);
    expect(new Set(shown.map(([, name]) => name))).to.deep.equal(names);
  });

  it('asks for labels that there are', async () => {
    const labels = [...(await told()).matchAll(/[{,](\w+)="/g)].map(([, label]) => label);
    const asked = queries.flatMap(({ expr, legendFormat }) => [
      ...[...expr.matchAll(/[{,] *(\w+)=~/g), ...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label),
      ...[...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/, */)),
    ]);
    expect(labels).to.include.members(asked.filter((label) => label !== 'job' && label !== '__name__')); // which Prometheus adds
  });

  it('has its panels beside each other, not over each other', () => {
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).to.equal(cells.length);
  });
});
