import { expect, test } from "bun:test";

import { createByteBudget } from "../../../src/core/byte-budget.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { StreamOutput } from "../../../src/http/log/stream-output.ts";

test("a stream that the runtime has closed takes no message and ends, without an error that others would suffer from", () => {
  const closing = new AbortController();
  const answers = createByteBudget({
    clock: systemClock,
    mostBytes: 1_000,
    stillMs: 1_000,
    closing: closing.signal,
  });
  const output = new StreamOutput(answers, () => {});
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      output.start(controller);
      controller.close();
    },
  });
  expect(() => output.beat()).toThrow(TypeError);
  expect(output.send({ parts: ["data: 1\n\n"], shared: false })).toBe(false);
  output.close();
  output.abort();
  output.release();
  expect(stream.locked).toBe(false);
  closing.abort();
});
