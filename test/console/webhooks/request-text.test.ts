import { expect, test } from "bun:test";

import { requestText } from "../../../src/console/webhooks/request-text.ts";

const request = { url: "https://example.org/hook", headers: { "content-type": "application/json" } };

test("request: it has a line, headers, and the body after an empty line", () => {
  expect(requestText({ ...request, body: "{}" })).toBe(
    "POST https://example.org/hook\ncontent-type: application/json\n\n{}",
  );
});

test("request: a body that is not kept is not shown as an empty one", () => {
  expect(requestText({ ...request, body: null })).toContain("not kept");
});
