/**
 * One agent as the manager reaches it: an undici Pool over mutual TLS 1.3 that is replaced when the material
 * changes. The address proves nothing; the certificate must carry the token's serial number and the pool's UID.
 */

import { X509Certificate } from "node:crypto";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import { type buildConnector, type Dispatcher, Pool } from "undici";
import { HsmError, type HsmErrorClass } from "../hsm/errors.ts";
import type { Clock } from "./clock.ts";
import { type Answer, AnswerCut, AnswerTooLarge, exchange, type Question } from "./exchange.ts";
import { type AgentIdentity, agentUri, carriesUri, refusalSentence } from "./identity.ts";
import type { TlsMaterial, TlsSource } from "./material.ts";

export interface AgentAddress {
  /** E.g. `127.0.0.1:9090` or `agent-x.operator.svc:9090`. */
  readonly address: string;
  readonly identity: AgentIdentity;
}

export interface PostOptions {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal: AbortSignal;
}

/** Why a connection was not made or was lost; never an answer of the agent. */
export class TransportError extends HsmError {
  /** True when the same call may be tried again at once: nothing says that the next connection fails too. */
  readonly transient: boolean;

  constructor(errorClass: HsmErrorClass, message: string, transient: boolean, cause?: unknown) {
    super(errorClass, message, { operation: "connect", cause });
    this.transient = transient;
  }
}

const MOST_CONNECTIONS = 8;
const CONNECT_TIMEOUT = 5_000;

export class AgentConnection {
  readonly #target: AgentAddress;
  readonly #tls: TlsSource;
  readonly #clock: Clock;
  readonly #unsubscribe: () => void;
  #pool: Pool;
  #closed = false;

  constructor(target: AgentAddress, tls: TlsSource, clock: Clock) {
    this.#target = target;
    this.#tls = tls;
    this.#clock = clock;
    this.#pool = this.#makePool();
    this.#unsubscribe = tls.onChange(() => {
      const old = this.#pool;
      this.#pool = this.#makePool();
      // What is under way on the old connections ends there.
      old.close().catch(() => old.destroy());
    });
  }

  get address(): string {
    return this.#target.address;
  }

  /**
   * A call and its whole answer. Rejects with a `TransportError`, `TooLarge`, or with the reason of `end`.
   */
  async ask(question: Question): Promise<Answer> {
    if (this.#closed) throw new HsmError("TokenGone", "The client is closed.", { operation: "connect" });
    try {
      return await exchange(this.#pool, question);
    } catch (error) {
      throw this.#explain(error, question);
    }
  }

  /** An answer that is a stream. Rejects with a `TransportError`, or with the signal's reason. */
  async post(options: PostOptions): Promise<Dispatcher.ResponseData> {
    if (this.#closed) throw new HsmError("TokenGone", "The client is closed.", { operation: "connect" });
    try {
      return await this.#pool.request({ ...options, method: "POST" });
    } catch (error) {
      throw this.#explain(error, { end: options.signal });
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#unsubscribe();
    await this.#pool.destroy();
  }

  #makePool(): Pool {
    return new Pool(`https://${this.#target.address}`, {
      connections: MOST_CONNECTIONS,
      pipelining: 1,
      // Deadlines are the caller's, by signal.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 60_000,
      connect: this.#connector(this.#tls.current()),
    });
  }

  #connector(material: TlsMaterial): buildConnector.connector {
    return ({ hostname, port }, callback) => {
      const socket: TLSSocket = tlsConnect({
        host: hostname,
        port: Number(port),
        cert: material.certificate,
        key: material.key,
        ca: material.authorities,
        minVersion: "TLSv1.3",
        maxVersion: "TLSv1.3",
        ALPNProtocols: ["http/1.1"],
        // Without a `session`: on a resumed one Node would not call this check.
        checkServerIdentity: (_host, certificate) =>
          this.#checkIdentity(new X509Certificate(certificate.raw)),
      });
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 60_000);
      let settled = false;
      const settle = (error: Error | undefined): void => {
        if (settled) return;
        settled = true;
        cancel();
        if (error === undefined) callback(null, socket);
        else callback(error, null);
      };
      const cancel = this.#clock.after(CONNECT_TIMEOUT, () => {
        socket.destroy();
        settle(new TransportError("TokenGone", `The agent at ${this.address} does not answer.`, true));
      });
      socket.once("secureConnect", () => settle(undefined));
      socket.on("error", settle);
      socket.once("close", () => settle(new Error("closed before the handshake ended")));
    };
  }

  #checkIdentity(certificate: X509Certificate): Error | undefined {
    const { identity } = this.#target;
    if (carriesUri(certificate, agentUri(identity))) return undefined;
    const message = `The certificate of the agent at ${this.address} is not that of token ${identity.serialNumber} in this pool.`;
    return new TransportError("AuthFailed", message, false);
  }

  #explain(
    error: unknown,
    { end, most }: { readonly end: Pick<AbortSignal, "aborted" | "reason">; readonly most?: number },
  ): unknown {
    if (error instanceof HsmError) return error;
    if (end.aborted) return end.reason;
    if (error instanceof AnswerTooLarge) {
      const message = `The answer of the agent at ${this.address} is larger than ${most} bytes.`;
      return new HsmError("TooLarge", message, { operation: "rpc" });
    }
    if (error instanceof AnswerCut) {
      const message = `The answer of the agent at ${this.address} was cut off.`;
      return new TransportError("TokenGone", message, true, error.cause);
    }
    const code = codeOf(error);
    if (UNREACHABLE.has(code)) {
      const message = `The agent at ${this.address} cannot be reached (${code}).`;
      return new TransportError("TokenGone", message, true, error);
    }
    if (BROKEN.has(code)) {
      const message = `The connection to the agent at ${this.address} broke (${code}).`;
      return new TransportError("TokenGone", message, true, error);
    }
    if (CERTIFICATE_CODE.test(code)) {
      const sentence = refusalSentence(code, `The certificate of the agent at ${this.address}`);
      return new TransportError("AuthFailed", sentence, false, error);
    }
    const message = `The agent at ${this.address} gave no proper answer (${code}).`;
    return new TransportError("TokenGone", message, true, error);
  }
}

const UNREACHABLE: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
]);

const BROKEN: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"]);

/** OpenSSL's verification results, as Node makes them codes of errors. */
const CERTIFICATE_CODE = /CERT|ISSUER|PURPOSE|SIGNATURE/;

function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return error instanceof Error ? error.name : "unknown";
}
