/** Where local mode keeps what: everything below one folder, so that deleting it deletes all. */

import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";

export class LocalPaths {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = resolve(folder);
  }

  get lock(): string {
    return join(this.folder, "lock");
  }
  get kubeconfig(): string {
    return join(this.folder, "kubeconfig");
  }
  /** Ports that were used last: kubeconfigs that people copied go on working. */
  get ports(): string {
    return join(this.folder, "ports.json");
  }
  get apiserver(): string {
    return join(this.folder, "apiserver");
  }
  get softhsm(): string {
    return join(this.folder, "softhsm");
  }
  get softhsmConfig(): string {
    return join(this.softhsm, "softhsm2.conf");
  }
  get pin(): string {
    return join(this.softhsm, "pin");
  }
  get tls(): string {
    return join(this.folder, "tls");
  }
  get agentState(): string {
    return join(this.folder, "agent");
  }
  get config(): string {
    return join(this.folder, "config");
  }

  log(program: string): string {
    return join(this.folder, "log", `${program}.log`);
  }
  /** Holds the identity of the child, so that one whose parent was killed is found again. */
  pid(program: string): string {
    return join(this.folder, "run", `${program}.pid`);
  }
  tlsFile(name: string): string {
    return join(this.tls, name);
  }

  make(): void {
    for (const folder of [
      this.folder,
      this.apiserver,
      this.softhsm,
      this.tls,
      this.agentState,
      this.config,
      join(this.folder, "log"),
      join(this.folder, "run"),
    ]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    }
  }
}
