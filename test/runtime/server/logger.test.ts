import { afterEach, beforeEach, describe, expect, mock, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createLog } from "../../../src/runtime/server/logger.ts";
import { readableLine } from "../../../src/cli/readable-line.ts";

interface LoggedLine {
  readonly requestId: string;
  readonly err: Readonly<Record<string, unknown>>;
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kilde-test-"));
});
afterEach(() => {
  mock.restore();
  rmSync(folder, { recursive: true });
});

/** Logs an error, and returns the line. */
function lineOf(err: unknown): string {
  const written: string[] = [];
  spyOn(process.stdout, "write").mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  createLog("info", (line) => line).logger.error({ err, requestId: "r-1" }, "request failed");
  mock.restore();
  return written.join("");
}

function logged(err: unknown): LoggedLine["err"] {
  const { requestId, err: described } = JSON.parse(lineOf(err)) as LoggedLine;
  expect(requestId).toBe("r-1");
  return described;
}

function source(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

async function failureOf(work: () => Promise<unknown>): Promise<unknown> {
  return work().then(
    () => expect.unreachable(),
    (error: unknown) => error,
  );
}

function withOwnCause(error: Error): Error {
  error.cause = error;
  return error;
}

describe("the log of a server describes", () => {
  test("an error with its causes, its code and its members", () => {
    const cause = new TypeError("no address");
    const error = Object.assign(new Error("no answer", { cause }), {
      code: "ETIMEDOUT",
      attempts: 3,
      members: { stream: "user-1" },
      bytes: 10n,
    });
    expect(logged(error)).toEqual({
      type: "Error",
      message: "no answer: no address",
      stack: expect.stringMatching(/^Error: no answer\n[^]*\ncaused by: TypeError: no address\n/),
      code: "ETIMEDOUT",
      attempts: 3,
      members: { stream: "user-1" },
      bytes: "10",
    });
  });

  test("a failed bundle, with the file and line of each fault", async () => {
    const entry = source("entry.ts", 'import "./missing.ts";\nimport "no-such-package-here";\n');
    const { message, errors } = logged(await failureOf(() => Bun.build({ entrypoints: [entry] })));
    expect(message).toBe("Bundle failed");
    expect(errors).toEqual([
      expect.objectContaining({
        message: expect.stringContaining("missing.ts"),
        position: expect.objectContaining({ file: entry, line: 1 }),
      }),
      expect.objectContaining({ message: expect.stringContaining("no-such-package-here") }),
    ]);
  });

  test("a module that cannot be found, or compiled", async () => {
    const missing = await failureOf(() => import(join(folder, "missing.ts")));
    expect(logged(missing)).toMatchObject({ message: expect.stringContaining("missing.ts") });
    const broken = source("broken.ts", "const x = ;");
    expect(logged(await failureOf(() => import(broken)))).toMatchObject({
      message: expect.stringContaining("Unexpected ;"),
      position: expect.objectContaining({ line: 1 }),
    });
  });

  test("an error of a class that states no name", () => {
    class OutOfStock extends Error {}
    expect(logged(new OutOfStock("none left"))).toMatchObject({ type: "OutOfStock", message: "none left" });
  });

  const throwing = () => {
    throw new Error("never");
  };
  test.each([
    [
      "a member that throws",
      Object.defineProperty(new Error("m"), "bad", { enumerable: true, get: throwing }),
    ],
    [
      "a member that has no JSON",
      Object.assign(new Error("m"), { member: { toJSON: throwing }, call: throwing }),
    ],
    ["a JSON of its own that fails", Object.assign(new Error("m"), { toJSON: throwing })],
    ["itself as its cause", withOwnCause(new Error("m"))],
    ["no place for more members", Object.freeze(new Error("m"))],
  ])("an error with %s", (_title, error) => {
    expect(logged(error)).toEqual({
      type: "Error",
      message: "m",
      stack: expect.stringMatching(/^Error: m\n/),
    });
  });

  test.each([
    ["text", { type: "string", message: "text" }],
    [null, { type: "null", message: "null" }],
    [5n, { type: "bigint", message: "5" }],
    [Object.create(null), { type: "object", message: "a value without a text form" }],
  ])("a thrown %p, which is no usual error", (thrown, described) => {
    expect(logged(thrown)).toEqual(described);
  });

  test("an error that consists of itself, several times", () => {
    const first = new AggregateError([new Error("a"), "b"], "first");
    const error = new AggregateError([first, first], "m");
    first.errors.push(error, first);
    error.errors.push(error, error);
    const { errors } = logged(error);
    expect(errors).toMatchObject([
      { message: "first", errors: [{ message: "a" }, { type: "string", message: "b" }] },
    ]);
  });

  test("ten errors at most of those that an error consists of, at any depth", () => {
    let error = new AggregateError([], "innermost");
    for (let depth = 0; depth < 30; depth += 1) error = new AggregateError([error], String(depth));
    expect(lineOf(error).match(/"errors"/g)).toHaveLength(10);
  });

  test("an error whose message throws", () => {
    const error = Object.defineProperty(new Error("m"), "message", { get: throwing });
    expect(logged(error)).toMatchObject({ type: "Error", message: "a value without a text form" });
  });

  test("a value that refuses every access", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(logged(proxy)).toEqual({ type: "object", message: "a value without a text form" });
  });

  test("the faults of a failed bundle to a person at a terminal as well", async () => {
    const entry = source("entry.ts", 'import "no-such-package-here";\n');
    const line = readableLine(lineOf(await failureOf(() => Bun.build({ entrypoints: [entry] }))));
    expect(line).toContain("no-such-package-here");
    expect(line).toContain(`${entry}:1`);
  });
});
