/** One question and its whole answer, straight on undici's dispatcher: no stream and no signal are made for it. */

import type { Dispatcher } from "undici";
import type { CallEnd } from "./call-end.ts";

export interface Question {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Most bytes of an answer. */
  readonly most: number;
  readonly end: CallEnd;
}

export interface Answer {
  readonly statusCode: number;
  readonly text: string;
}

/** The connection broke after the answer had begun. */
export class AnswerCut extends Error {
  override readonly name = "AnswerCut";
}

export class AnswerTooLarge extends Error {
  override readonly name = "AnswerTooLarge";
}

/** Rejects with the reason of `end`, `AnswerCut`, `AnswerTooLarge`, or what undici says of the connection. */
export function exchange(dispatcher: Dispatcher, question: Question): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { end, most, path, headers, body } = question;
    let controller: Dispatcher.DispatchController | undefined;
    let statusCode: number | undefined;
    let size = 0;
    let first: Buffer | undefined;
    let chunks: Buffer[] | undefined;
    const fail = (error: unknown): void => {
      end.listen(undefined);
      reject(error);
    };
    // The caller is told at once, also while the call waits for a connection.
    end.listen(() => {
      fail(end.reason);
      controller?.abort(new Error("given up"));
    });
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: (started) => {
        controller = started;
        if (end.aborted) started.abort(new Error("given up"));
      },
      onResponseStart: (_, status) => {
        statusCode = status;
      },
      onResponseData: (responding, chunk) => {
        size += chunk.length;
        if (size > most) {
          fail(new AnswerTooLarge());
          responding.abort(new Error("too large"));
        } else if (first === undefined) first = chunk;
        else if (chunks === undefined) chunks = [first, chunk];
        else chunks.push(chunk);
      },
      onResponseEnd: () => {
        end.listen(undefined);
        const bytes = chunks === undefined ? first : Buffer.concat(chunks);
        resolve({ statusCode: statusCode ?? 0, text: bytes?.toString("utf8") ?? "" });
      },
      onResponseError: (_, error) =>
        fail(statusCode === undefined ? error : new AnswerCut("cut", { cause: error })),
    };
    dispatcher.dispatch({ method: "POST", path, headers, body }, handler);
  });
}
