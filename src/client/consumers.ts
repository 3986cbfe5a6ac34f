import { mayContinue } from "./page-end.ts";
import { queryString } from "./read.ts";
import { readObject } from "./parse-answer.ts";
import { type RequestDeps, send } from "./request.ts";
import { type ReasonOptions, reasonHeaders } from "./stated-reason.ts";
import type { CommitOptions, ConsumerInfo, ConsumerLag, ConsumersOptions } from "./types.ts";

/** A consumer's progress, as the server stores it. */
type Progress = { readonly position: number } & {
  readonly [Name in "rewind" | "blocked" | "failure"]: CommitOptions[Name] | undefined;
};

/** Records the progress of a consumer of the log at a path. */
export function commitPosition(
  deps: RequestDeps,
  path: string,
  consumer: string,
  progress: Progress,
  reason: ReasonOptions,
): Promise<ConsumerInfo> {
  const init = {
    method: "PUT",
    headers: { "content-type": "application/json", ...reasonHeaders(reason) },
    body: JSON.stringify(progress),
  };
  return send(deps, `${path}/consumers/${encodeURIComponent(consumer)}`, init, readObject<ConsumerInfo>);
}

/** Reads the lag of a consumer of the log at a path. */
export function readConsumerLag(deps: RequestDeps, path: string, consumer: string): Promise<ConsumerLag> {
  return send(deps, `${path}/consumers/${encodeURIComponent(consumer)}/lag`, {}, readObject<ConsumerLag>);
}

/** Forgets a consumer of the log at a path. */
export function forgetConsumer(
  deps: RequestDeps,
  path: string,
  consumer: string,
  reason: ReasonOptions,
): Promise<void> {
  const init = { method: "DELETE", headers: reasonHeaders(reason) };
  return send(deps, `${path}/consumers/${encodeURIComponent(consumer)}`, init, async (answer) => {
    await answer.text();
  });
}

/** Lists the consumers of the log at a path, page by page. */
export async function* listConsumers(
  deps: RequestDeps,
  path: string,
  { prefix, states: state, after, pageSize: limit, signal }: ConsumersOptions,
): AsyncGenerator<ConsumerInfo, void, undefined> {
  const init = signal === undefined ? {} : { signal };
  let cursor = after;
  for (;;) {
    const { continues, consumers } = await send(
      deps,
      `${path}/consumers${queryString({ prefix, state, cursor, limit })}`,
      init,
      async (response) => ({
        continues: mayContinue(response),
        consumers: (await readObject<{ consumers: ConsumerInfo[] }>(response)).consumers,
      }),
    );
    yield* consumers;
    cursor = consumers.at(-1)?.consumer;
    if (cursor === undefined || !continues) return;
  }
}
