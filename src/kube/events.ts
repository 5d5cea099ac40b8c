/** Events of events.k8s.io/v1: what `kubectl describe` shows below an object. */

import type { KubeObject } from "./object.ts";

export interface EventInput {
  readonly regarding: KubeObject;
  readonly type: "Normal" | "Warning";
  /** CamelCase, e.g. `Synced`: at most 128 characters. */
  readonly reason: string;
  /** What was done or tried, e.g. `WriteSecret`: at most 128 characters. */
  readonly action: string;
  /** One sentence; cut at 1,024 bytes. Never a value. */
  readonly note: string;
  readonly related?: KubeObject | undefined;
}

export interface EventRecorder {
  /** Never fails and never waits: what cannot be written is counted and dropped. Equal events become a series. */
  record(event: EventInput): void;
  /** Writes what is waiting. */
  flush(): Promise<void>;
  /** Flushes, then takes no more. */
  close(): Promise<void>;
}
