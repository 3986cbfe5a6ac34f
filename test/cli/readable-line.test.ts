import { describe, expect, test } from "bun:test";

import { readableLine } from "../../src/cli/readable-line.ts";
import { eventually } from "../support/eventually.ts";
import { cleanUp, emptyFolder, FROM_SOURCE } from "./support.ts";

cleanUp();

const TIME = "2026-01-01T12:34:56.789Z";

describe("a line of the log at a terminal", () => {
  test("shows a request in the order in which people read one", () => {
    const request = { requestId: "r-1", method: "GET", path: "/events", route: "/events", status: 200 };
    const line = {
      level: 30,
      time: TIME,
      ...request,
      principal: "cards",
      bytes: 12,
      durationMs: 3,
      msg: "request",
    };
    expect(readableLine(JSON.stringify(line))).toBe(
      "12:34:56 info  GET /events 200 3 ms requestId=r-1 principal=cards bytes=12\n",
    );
  });

  test("shows the members of another message, and the stack of an error", () => {
    const err = { type: "Error", message: "no", stack: "Error: no\n    at f (a.ts:1:1)" };
    const line = { level: 50, time: TIME, err, feed: "users v1", attempts: 2, msg: "a feed failed" };
    expect(readableLine(JSON.stringify(line))).toBe(
      '12:34:56 error a feed failed feed="users v1" attempts=2\n  Error: no\n      at f (a.ts:1:1)\n',
    );
  });

  test("escapes control characters of clients", () => {
    const line = { level: 30, time: TIME, path: "a\u001b[2J\u009b1m", msg: "x\u0007" };
    // oxlint-disable-next-line no-control-regex
    expect(readableLine(JSON.stringify(line))).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });

  test("appears as soon as the server has answered", async () => {
    let shown = "";
    const child = Bun.spawn([...FROM_SOURCE, "serve", "--port", "0"], {
      cwd: emptyFolder(),
      env: { PATH: process.env["PATH"] ?? "", TERM: "dumb" },
      terminal: {
        cols: 200,
        rows: 50,
        data(_terminal, bytes) {
          shown += new TextDecoder().decode(bytes);
        },
      },
    });
    try {
      const url = await eventually(() => /http:\/\/127\.0\.0\.1:\d+/.exec(shown)?.[0]);
      await eventually(() => shown.includes("info  listening"));
      await fetch(`${url}/health`);
      // Lines for programs are gathered for a second.
      await eventually(() => /info {2}GET \/health 200 \d+ ms/.test(shown), { withinMs: 800 });
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
  });
});
