/**
 * The agent's end: HTTPS with TLS 1.3 only and a client certificate that must be a manager's. Whoever cannot prove
 * that gets one sentence and a closed connection, and never reaches the HTTP parser.
 */

import { constants, X509Certificate } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { getRequestListener } from "@hono/node-server";
import type { HsmClient } from "../hsm/client.ts";
import { HsmError } from "../hsm/errors.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import { createAgentApp, DEFAULT_DEADLINES, type Deadlines, problemOf } from "./app.ts";
import { type Clock, systemClock } from "./clock.ts";
import { HEARTBEAT } from "./contract.ts";
import { carriesUri, managerUri, refusalSentence } from "./identity.ts";
import type { TlsMaterial, TlsSource } from "./material.ts";

export interface AgentServerOptions {
  /** What is served. It stays the caller's: closing the server does not close it. */
  readonly client: HsmClient;
  readonly tls: TlsSource;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Name in the certificate of the manager that may call; `manager` when absent. */
  readonly manager?: string | undefined;
  readonly deadlines?: Deadlines | undefined;
  /** Milliseconds between signs of life on an event stream. */
  readonly heartbeat?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly log?: Logger | undefined;
}

export interface AgentServer {
  readonly port: number;
  /** Takes no new connection, lets calls under way end (at most so many milliseconds), closes. */
  drain(milliseconds: number): Promise<void>;
  /** Closes at once. */
  close(): Promise<void>;
}

/** A connection of a manager that proved who it is. */
interface Peer {
  readonly certificate: X509Certificate;
  readonly until: number;
  /** What is being answered on the connection. */
  response: ServerResponse | undefined;
  /** Made under material that has been replaced: the next answer is the last on this connection. */
  stale: boolean;
}

function retire(peer: Peer): void {
  peer.stale = true;
  if (peer.response?.headersSent === false) peer.response.setHeader("connection", "close");
}

export async function serveAgent(options: AgentServerOptions): Promise<AgentServer> {
  const clock = options.clock ?? systemClock;
  const log = options.log ?? silentLogger;
  const uri = managerUri(options.manager);
  const app = createAgentApp({
    client: options.client,
    clock,
    log,
    deadlines: options.deadlines ?? DEFAULT_DEADLINES,
    heartbeat: options.heartbeat ?? HEARTBEAT,
  });
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const sockets = new Set<TLSSocket>();
  const peers = new WeakMap<TLSSocket, Peer>();

  const server = createServer(tlsOptions(options.tls.current()), (request, response) =>
    handle(request, response),
  );
  server.keepAliveTimeout = 75_000;
  server.requestTimeout = 120_000;
  guardConnections(server, admit);

  const unsubscribe = options.tls.onChange((material) => {
    server.setSecureContext(tlsOptions(material));
    const authorities = splitPem(material.authorities);
    for (const socket of sockets) {
      const peer = peers.get(socket);
      if (peer === undefined) continue;
      retire(peer);
      if (!isTrusted(peer.certificate, authorities)) socket.destroy();
    }
    app.endStreams();
    log.info("certificates reloaded");
  });

  /** Whether the connection may speak HTTP; if not, it is told why. */
  function admit(socket: TLSSocket): boolean {
    const refusal = refuse(socket);
    if (refusal !== undefined) {
      log.warn("connection refused", { reason: refusal, address: socket.remoteAddress ?? "unknown" });
      sayAndClose(socket, refusal, clock);
      return false;
    }
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    return true;
  }

  function refuse(socket: TLSSocket): string | undefined {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return "A client certificate is required.";
    if (!socket.authorized) {
      const code = socket.authorizationError;
      return refusalSentence(code instanceof Error ? code.message : String(code), "The client certificate");
    }
    if (!carriesUri(certificate, uri)) return "The client certificate is not that of this agent's manager.";
    const until = Date.parse(certificate.validTo);
    peers.set(socket, { certificate, until, response: undefined, stale: false });
    return undefined;
  }

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const peer = peers.get(request.socket as TLSSocket);
    if (peer === undefined || clock.now() > peer.until) {
      request.socket.destroy();
      return;
    }
    peer.response = response;
    if (peer.stale) retire(peer);
    response.once("close", () => {
      if (peer.response === response) peer.response = undefined;
      if (peer.stale) request.socket.end();
    });
    void listener(request, response);
  }

  const port = await listen(server, options.host, options.port);
  const closed = new Promise<void>((resolve) => server.once("close", resolve));
  const stop = (): void => {
    unsubscribe();
    if (server.listening) server.close();
  };
  const close = async (): Promise<void> => {
    stop();
    app.endStreams();
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    await closed;
  };
  return {
    port,
    close,
    drain: async (milliseconds) => {
      stop();
      app.endStreams();
      for (const socket of sockets) {
        const peer = peers.get(socket);
        if (peer !== undefined) retire(peer);
      }
      server.closeIdleConnections();
      const cancel = clock.after(milliseconds, () => void close());
      await closed;
      cancel();
    },
  };
}

function tlsOptions(material: TlsMaterial): ServerOptions {
  return {
    cert: material.certificate,
    key: material.key,
    ca: material.authorities,
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    requestCert: true,
    // Refused after the handshake, by admit(): only then can the reason be told.
    rejectUnauthorized: false,
    // A resumed session would skip the verification of a certificate that has expired or lost its authority since.
    secureOptions: constants.SSL_OP_NO_TICKET,
    handshakeTimeout: 10_000,
    // An answer is two small writes: with Nagle, the second would wait for the other side.
    noDelay: true,
  };
}

/** Puts `admit` before the listener by which Node's HTTPS server takes a connection to its HTTP parser. */
function guardConnections(server: Server, admit: (socket: TLSSocket) => boolean): void {
  const [attach, ...others] = server.listeners("secureConnection");
  if (attach === undefined || others.length > 0) {
    throw new Error("This version of Node attaches HTTPS connections in a way that is not known.");
  }
  server.removeAllListeners("secureConnection");
  server.on("secureConnection", (socket: TLSSocket) => {
    // An error on a refused or torn connection concerns nobody; on others the HTTP server listens too.
    socket.on("error", () => {});
    if (admit(socket)) attach.call(server, socket);
  });
}

/** Answers the first request on the connection with the refusal, whatever it asks for. */
function sayAndClose(socket: TLSSocket, sentence: string, clock: Clock): void {
  const error = new HsmError("AuthFailed", sentence, { operation: "connect" });
  const problem = problemOf(error, "");
  const body = JSON.stringify(problem);
  const head = [
    "HTTP/1.1 403 Forbidden",
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  const cancel = clock.after(2_000, () => socket.destroy());
  socket.once("close", cancel);
  // Told once the caller has spoken: a client takes an answer before its question for an error. What follows is
  // read and dropped, as a reset connection would lose the answer.
  socket.once("data", () => socket.end(`${head.join("\r\n")}\r\n\r\n${body}`));
}

function isTrusted(certificate: X509Certificate, authorities: readonly X509Certificate[]): boolean {
  return authorities.some((ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
}

function splitPem(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
