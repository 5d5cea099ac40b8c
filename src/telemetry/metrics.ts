/** Metrics: a Prometheus registry of the process's own, with names checked when they are made. */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

export interface CounterMetric<L extends string> {
  add(labels: Record<L, string>, by?: number): void;
}

export interface GaugeMetric<L extends string> {
  set(labels: Record<L, string>, value: number): void;
  /** Takes the series away, e.g. when its object is gone. */
  remove(labels: Record<L, string>): void;
}

export interface HistogramMetric<L extends string> {
  /** In the metric's unit: seconds for times. */
  observe(labels: Record<L, string>, value: number): void;
}

export interface Metrics {
  /** `name` without the prefix, ending in `_total`. */
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): CounterMetric<L>;
  gauge<L extends string = never>(name: string, help: string, labels?: readonly L[]): GaugeMetric<L>;
  histogram<L extends string = never>(
    name: string,
    help: string,
    options?: { readonly labels?: readonly L[]; readonly buckets?: readonly number[] },
  ): HistogramMetric<L>;
  /** The text that a scrape gets. */
  render(): Promise<string>;
  readonly contentType: string;
}

const PREFIX = "hsm_";

/** From 1 ms to a minute: an API call, a card's write and a whole sync all fall inside. */
export const LATENCY_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];

export function createMetrics(options: { readonly processMetrics?: boolean } = {}): Metrics {
  const registry = new Registry();
  if (options.processMetrics === true) collectDefaultMetrics({ register: registry });
  const base = (name: string, help: string, labels: readonly string[] | undefined) => ({
    name: `${PREFIX}${name}`,
    help,
    labelNames: [...(labels ?? [])],
    registers: [registry],
  });
  return {
    counter(name, help, labels) {
      if (!name.endsWith("_total")) throw new TypeError(`The counter ${name} must end in _total.`);
      const metric = new Counter(base(name, help, labels));
      return { add: (values, by = 1) => metric.inc(values, by) };
    },
    gauge(name, help, labels) {
      const metric = new Gauge(base(name, help, labels));
      return { set: (values, value) => metric.set(values, value), remove: (values) => metric.remove(values) };
    },
    histogram(name, help, histogram = {}) {
      const metric = new Histogram({
        ...base(name, help, histogram.labels),
        buckets: [...(histogram.buckets ?? LATENCY_BUCKETS)],
      });
      return { observe: (values, value) => metric.observe(values, value) };
    },
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
