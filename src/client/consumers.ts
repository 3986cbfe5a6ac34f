import { mayContinue } from "./page-end.ts";
import { queryString } from "./read.ts";
import { readObject } from "./parse-answer.ts";
import { type RequestDeps, send } from "./request.ts";
import type { ConsumerInfo } from "./types.ts";

/** Lists the consumers of the log at a path, page by page. */
export async function* listConsumers(
  deps: RequestDeps,
  path: string,
): AsyncGenerator<ConsumerInfo, void, undefined> {
  let cursor: string | undefined;
  for (;;) {
    const { continues, consumers } = await send(
      deps,
      `${path}/consumers${queryString({ cursor })}`,
      {},
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
