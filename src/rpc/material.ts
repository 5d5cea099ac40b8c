/**
 * What one end of a connection proves itself with and whom it trusts. Both ends take it from a source that may
 * change at any time: leaves and authorities are rotated without a restart and without a refused call.
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readTexts, type WatchOptions, watchFiles } from "./watch-files.ts";

export interface TlsMaterial {
  /** PEM; the leaf first. */
  readonly certificate: string;
  /** PEM, PKCS#8. */
  readonly key: string;
  /** PEM; during a rotation the old and the new authority, in any order. */
  readonly authorities: string;
}

export interface TlsSource {
  current(): TlsMaterial;
  /** Returns the function that takes the listener off again. */
  onChange(listener: (material: TlsMaterial) => void): () => void;
  close(): void;
}

export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  readonly authorities: string;
}

/** Material that is given by hand; `set` rotates it. */
export class TlsHolder implements TlsSource {
  #material: TlsMaterial;
  readonly #listeners = new Set<(material: TlsMaterial) => void>();

  constructor(material: TlsMaterial) {
    checkMaterial(material);
    this.#material = material;
  }

  current(): TlsMaterial {
    return this.#material;
  }

  set(material: TlsMaterial): void {
    if (sameMaterial(material, this.#material)) return;
    checkMaterial(material);
    this.#material = material;
    for (const listener of [...this.#listeners]) listener(material);
  }

  onChange(listener: (material: TlsMaterial) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  close(): void {
    this.#listeners.clear();
  }
}

/**
 * Material from files that are read again when they change. Rejects when they cannot be used at the start; later,
 * files that do not fit together (one of them replaced, the other not yet) leave what is in use as it is, and
 * `onProblem` is told once a problem.
 */
export async function tlsFromFiles(
  files: TlsFiles,
  options: WatchOptions & {
    readonly onProblem?: ((sentence: string) => void) | undefined;
    readonly onReload?: ((material: TlsMaterial) => void) | undefined;
  } = {},
): Promise<TlsSource> {
  const names = [files.certificate, files.key, files.authorities];
  const load = async (): Promise<TlsMaterial> => {
    const [certificate = "", key = "", authorities = ""] = await readTexts(names);
    const material = { certificate, key, authorities };
    checkMaterial(material);
    return material;
  };
  const holder = new TlsHolder(await load());
  let lastProblem = "";
  let loading = false;
  let again = false;
  const reload = async (): Promise<void> => {
    again = loading;
    if (loading) return;
    loading = true;
    try {
      const material = await load();
      lastProblem = "";
      if (sameMaterial(material, holder.current())) return;
      holder.set(material);
      options.onReload?.(material);
    } catch (error) {
      const sentence = error instanceof Error ? error.message : String(error);
      if (sentence !== lastProblem) options.onProblem?.(sentence);
      lastProblem = sentence;
    } finally {
      loading = false;
      if (again) void reload();
    }
  };
  const stop = watchFiles(names, () => void reload(), options);
  return {
    current: () => holder.current(),
    onChange: (listener) => holder.onChange(listener),
    close: () => {
      stop();
      holder.close();
    },
  };
}

/** Throws with one sentence when certificate and key do not belong together or a part is no PEM. */
export function checkMaterial(material: TlsMaterial): void {
  const leaf = parse(material.certificate, "certificate");
  parse(material.authorities, "authorities' bundle");
  let matches: boolean;
  try {
    matches = leaf.checkPrivateKey(createPrivateKey(material.key));
  } catch (error) {
    throw new Error("The TLS key is not a PEM private key.", { cause: error });
  }
  if (!matches) throw new Error("The TLS key does not belong to the certificate.");
}

function parse(pem: string, what: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new Error(`The TLS ${what} is not PEM.`, { cause: error });
  }
}

function sameMaterial(a: TlsMaterial, b: TlsMaterial): boolean {
  return a.certificate === b.certificate && a.key === b.key && a.authorities === b.authorities;
}
