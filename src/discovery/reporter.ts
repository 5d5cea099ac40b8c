/**
 * Keeps the annotation on the own pod true: written when the report changes, repeated until the API server has taken
 * it, and once a heartbeat. Nothing else is ever written.
 */

import { ANNOTATION_DEVICE_REPORT, type DeviceReport } from "../crd/device-report.ts";
import { backoffDelay } from "../kube/backoff.ts";
import type { KubeClient } from "../kube/client.ts";
import { type Clock, type Random, sleep } from "../kube/clock.ts";
import { KubeError } from "../kube/error.ts";
import { PODS } from "../kube/resources.ts";
import type { Logger } from "../telemetry/log.ts";
import { annotationOf, sameReports } from "./report.ts";

export interface ReporterOptions {
  readonly client: Pick<KubeClient, "patch">;
  readonly pod: { readonly namespace: string; readonly name: string };
  /** The report as of now; `undefined` while nothing is known yet. */
  readonly compose: () => readonly DeviceReport[] | undefined;
  /** Milliseconds, at most, between two reports that say the same. */
  readonly heartbeat: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface Reporter {
  /** What `compose` gives may have changed. */
  changed(): void;
  /** True once a report has been taken. */
  readonly reported: boolean;
  run(signal: AbortSignal): Promise<void>;
}

const BACKOFF = { base: 1_000, max: 60_000 };
/** Milliseconds between two writes: a bad contact must not become a storm. */
const PACE = 200;
const CALL_TIMEOUT = 15_000;

export function createReporter(options: ReporterOptions): Reporter {
  return new PodReporter(options);
}

class PodReporter implements Reporter {
  readonly #options: ReporterOptions;
  /** What the API server has taken. */
  #written: readonly DeviceReport[] | undefined;
  #failures = 0;
  #wake: () => void = () => {};

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  get reported(): boolean {
    return this.#written !== undefined;
  }

  changed(): void {
    this.#wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, heartbeat } = this.#options;
    let beatAt = 0;
    while (!signal.aborted) {
      const reports = this.#options.compose();
      const due = clock.monotonic() >= beatAt && (reports?.length ?? 0) > 0;
      const differs = this.#written === undefined || !sameReports(this.#written, reports ?? []);
      if (reports === undefined || !(differs || due)) {
        await this.#pause(beatAt - clock.monotonic(), signal);
        continue;
      }
      const delay = await this.#write(reports, signal);
      // Between half a heartbeat and a whole one: many nodes that started together do not go on together.
      // What was not taken stays due.
      if (this.#failures === 0) beatAt = clock.monotonic() + heartbeat * (0.5 + 0.5 * random());
      await sleep(clock, delay, signal);
    }
  }

  /** Until something changes, or the heartbeat is due if there is one. */
  #pause(untilBeat: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const cancel = clock.after(untilBeat > 0 ? untilBeat : this.#options.heartbeat, () => this.#wake());
      const done = () => {
        cancel();
        this.#wake = () => {};
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#wake = done;
      signal.addEventListener("abort", done, { once: true });
      if (signal.aborted) done();
    });
  }

  /** Milliseconds to wait before the next write. */
  async #write(reports: readonly DeviceReport[], signal: AbortSignal): Promise<number> {
    const { client, pod, log, random } = this.#options;
    const annotations = { [ANNOTATION_DEVICE_REPORT]: annotationOf(reports) ?? null };
    try {
      const body = { metadata: { annotations } };
      await client.patch(PODS, pod, { type: "merge", body }, { signal, timeout: CALL_TIMEOUT });
      if (this.#failures > 0) log.info("the report was taken", { tries: this.#failures + 1 });
      this.#failures = 0;
      const devices = reports.reduce((sum, report) => sum + report.discoveredDevices.length, 0);
      if (this.#written === undefined || !sameReports(this.#written, reports)) {
        log.info("reported", { hsmDevices: reports.map((report) => report.hsmDeviceName), devices });
      }
      this.#written = reports;
      return PACE;
    } catch (error) {
      if (signal.aborted) return 0;
      this.#failures += 1;
      const asked = error instanceof KubeError ? (error.retryAfter ?? 0) : 0;
      const delay = Math.max(backoffDelay(this.#failures, BACKOFF, random), asked);
      log.warn(
        "the report was not taken and is repeated",
        { delayMs: Math.round(delay), ...hint(error) },
        error,
      );
      return delay;
    }
  }
}

function hint(error: unknown): { readonly hint?: string } {
  if (!(error instanceof KubeError)) return {};
  if (error.status === 403)
    return { hint: "The service account needs the verb patch on pods in its namespace." };
  if (error.status === 404)
    return { hint: "--pod-name and --pod-namespace must name the pod that this runs in." };
  return {};
}
