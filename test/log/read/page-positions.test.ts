import { expect, test } from "bun:test";
import fc from "fast-check";

import { positionsIn } from "../../../src/log/read/page-positions.ts";

const ENCODER = new TextEncoder();

/** One event as `src/log/read/render.ts` writes it, with data that repeats the text in front of positions. */
const framed = {
  array: (position: number, data: string) => `\n{"specversion":"1.0","id":"${position}","data":${data}},`,
  lines: (position: number, data: string) => `{"specversion":"1.0","id":"${position}","data":${data}}\n`,
  "event-stream": (position: number, data: string) =>
    `id: ${position}-0123456789abcdef\nevent: id: 7\ndata: {"specversion":"1.0","id":"${position}","data":${data}}\n\n`,
};

const position = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const data = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.constantFrom('\n{"specversion":"1.0","id":"9"', "\n\nid: 9", "", "id: 9"),
);

for (const framing of ["array", "lines", "event-stream"] as const) {
  test(`the positions of a page are those of its first and last event (${framing})`, () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(position, data), { minLength: 1, maxLength: 5 }), (events) => {
        const text = events.map(([at, value]) => framed[framing](at, JSON.stringify(value))).join("");
        const expected = { first: events[0]?.[0] ?? 0, last: events.at(-1)?.[0] ?? 0 };
        expect(positionsIn(text, framing)).toEqual(expected);
        expect(positionsIn(ENCODER.encode(text), framing)).toEqual(expected);
      }),
    );
  });
}
