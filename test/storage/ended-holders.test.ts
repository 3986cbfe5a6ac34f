import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import fc from "fast-check";

import { createEndedHolders, hasProcessEnded, type ProcessState } from "../../src/storage/ended-holders.ts";
import {
  markOf,
  newHolderName,
  parseProcessStat,
  type ProcessMark,
  readOwnMark,
} from "../../src/storage/holder-name.ts";
import { eventually } from "../support/eventually.ts";

const place = fc.stringMatching(/^[\da-f]{32}$/);
const mark: fc.Arbitrary<ProcessMark> = fc.record({
  place,
  pid: fc.integer({ min: 1, max: 4_194_304 }),
  start: fc.bigInt({ min: 0n, max: 2n ** 63n }).map(String),
});

function statText(pid: number, name: string, state: string, threads: number, start: string): string {
  const between = (count: number) => Array.from({ length: count }, (_, n) => n - 1).join(" ");
  return `${pid} (${name}) ${state} ${between(16)} ${threads} 0 ${start} ${between(30)}\n`;
}

describe("a holder's name", () => {
  test("carries the mark of its process", () => {
    fc.assert(
      fc.property(mark, (own) => {
        expect(markOf(newHolderName(own))).toEqual(own);
        expect(newHolderName(own)).not.toBe(newHolderName(own));
      }),
    );
  });

  test("carries no mark when an earlier release chose it, or it has another form", () => {
    expect(markOf(crypto.randomUUID())).toBeNull();
    expect(markOf(newHolderName(null))).toBeNull();
    fc.assert(fc.property(fc.string(), (text) => expect(markOf(text)).toBeNull()));
    fc.assert(
      // A name that was cut, or has more characters at its end.
      fc.property(mark, fc.nat(200), fc.constantFrom("", " ", "\n", ":1", "x"), (own, length, more) => {
        const name = newHolderName(own);
        const changed = name.slice(0, length) + more;
        const found = markOf(changed);
        if (changed !== name) expect(found?.place === own.place && found.start === own.start).toBe(false);
      }),
    );
  });

  test.skipIf(process.platform !== "linux")("identifies neither the machine nor its boot", () => {
    const name = newHolderName();
    expect(markOf(name)?.pid).toBe(process.pid);
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    for (const secret of [boot, boot.replaceAll("-", "")]) expect(name).not.toContain(secret);
    if (hostname().length > 3) expect(name).not.toContain(hostname());
  });
});

describe("the kernel's record of a process", () => {
  test("is parsed whatever the program's name is", () => {
    const name = fc.oneof(fc.string({ maxLength: 15 }), fc.constantFrom(") S 1 (", "a) Z 0 0 0", "", "1 (x"));
    fc.assert(
      fc.property(
        mark,
        name,
        fc.constantFrom("R", "S", "D", "Z", "T", "t", "X"),
        fc.nat(900),
        (own, program, state, threads) => {
          const text = statText(own.pid, program, state, threads, own.start);
          expect(parseProcessStat(text)).toEqual({ pid: own.pid, state, threads, start: own.start });
        },
      ),
    );
  });

  test("is null for a text of another form", () => {
    for (const text of ["", "1", "1 (a)", "1 (a) S 1 2 3", "x (a) S", statText(1, "a", "S", 1, "-1")]) {
      expect(parseProcessStat(text)).toBeNull();
    }
  });

  test("a process that is stopped, waits or cannot be read is alive; a zombie has ended", () => {
    const own = { place: "", pid: 7, start: "100" };
    const stat = (state: string, threads = 9, start = "100", pid = 7) => ({ pid, state, threads, start });
    const states: [ProcessState, boolean][] = [
      ["none", true],
      ["unreadable", false],
      ...Array.from("RSDTtIWK", (state): [ProcessState, boolean] => [stat(state), false]),
      [stat("Z", 1), true],
      [stat("Z", 2), false],
      [stat("S", 9, "101"), true],
      [stat("S", 9, "101", 8), false],
    ];
    for (const [state, ended] of states) expect([state, hasProcessEnded(own, state)]).toEqual([state, ended]);
  });
});

/** Machines whose processes start, stop and end, and reuse the ids of ended ones. */
interface World {
  readonly processes: Map<string, { state: string; readonly start: string }>;
  readonly holders: {
    readonly name: string;
    readonly place: number;
    readonly pid: number;
    isAlive: boolean;
  }[];
  ticks: number;
}

const PLACES = ["a", "b"].map((digit) => digit.repeat(32));
const PIDS = 3;

type Happening =
  | { readonly kind: "start" | "kill" | "stop" | "reap"; readonly place: number; readonly pid: number }
  | { readonly kind: "judge"; readonly place: number };

function happen(world: World, happening: Exclude<Happening, { kind: "judge" }>): void {
  const { kind, place: at, pid } = happening;
  const key = `${at}/${pid}`;
  const found = world.processes.get(key);
  const end = () => {
    for (const holder of world.holders) if (holder.place === at && holder.pid === pid) holder.isAlive = false;
  };
  if (kind === "start" && found === undefined) {
    const start = String((world.ticks += 1));
    world.processes.set(key, { state: "S", start });
    const name = newHolderName({ place: PLACES[at] ?? "", pid, start });
    world.holders.push({ name, place: at, pid, isAlive: true });
  } else if (kind === "kill" && found !== undefined) {
    found.state = "Z";
    end();
  } else if (kind === "stop" && found?.state === "S") found.state = "T";
  else if (kind === "reap" && found?.state === "Z") world.processes.delete(key);
}

test("a holder that is alive is never judged to have ended; a holder of the same place that has ended always is", () => {
  const at = { place: fc.nat(PLACES.length - 1), pid: fc.integer({ min: 1, max: PIDS }) };
  const happening: fc.Arbitrary<Happening> = fc.oneof(
    fc.record({ kind: fc.constantFrom("start", "kill", "stop", "reap"), ...at }),
    fc.record({ kind: fc.constant("judge"), place: at.place }),
  );
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 60 }), (happenings) => {
      const world: World = { processes: new Map(), holders: [], ticks: 0 };
      for (const next of happenings) {
        if (next.kind !== "judge") happen(world, next);
        const from = next.place;
        const hasEnded = createEndedHolders({
          own: { place: PLACES[from] ?? "", pid: 99, start: "0" },
          lookUp(pid) {
            const found = world.processes.get(`${from}/${pid}`);
            return found === undefined ? "none" : { ...found, pid, threads: 1 };
          },
        });
        for (const { name: holder, place: where, isAlive } of world.holders) {
          expect(hasEnded({ name: "lease", holder, token: 1 })).toBe(where === from && !isAlive);
        }
      }
    }),
  );
});

describe("judging", () => {
  const own = { place: PLACES[0] ?? "", pid: 1, start: "1" };
  const gone = newHolderName({ ...own, pid: 2 });

  test("a process without a mark judges none and is not judged", () => {
    const none = { lookUp: () => "none" as const };
    const lease = { name: "lease", token: 1 };
    expect(createEndedHolders({ ...none, own })({ ...lease, holder: gone })).toBe(true);
    expect(createEndedHolders({ ...none, own: null })({ ...lease, holder: gone })).toBe(false);
    expect(createEndedHolders({ ...none, own })({ ...lease, holder: crypto.randomUUID() })).toBe(false);
  });

  test("a process stops judging when a holder takes a lease after it was judged to have ended", () => {
    const hasEnded = createEndedHolders({ own, lookUp: () => "none" });
    const other = newHolderName({ ...own, pid: 3 });
    expect(hasEnded({ name: "a", holder: gone, token: 5 })).toBe(true);
    expect(hasEnded({ name: "a", holder: gone, token: 5 })).toBe(true);
    expect(hasEnded({ name: "b", holder: gone, token: 9 })).toBe(true);
    expect(hasEnded({ name: "a", holder: other, token: 7 })).toBe(true);
    expect(hasEnded({ name: "b", holder: gone, token: 11 })).toBe(false);
    expect(hasEnded({ name: "a", holder: other, token: 7 })).toBe(false);
  });
});

describe.skipIf(process.platform !== "linux")("real processes", () => {
  const named = join(import.meta.dir, "../../src/storage/holder-name.ts");
  /** Prints its name as a holder of leases, and keeps running. */
  const program = `
    import { newHolderName } from ${JSON.stringify(named)};
    console.log(newHolderName());
    setInterval(() => {}, 60_000);`;
  const children: Bun.Subprocess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  async function spawn(command: readonly string[]) {
    const child = Bun.spawn([...command], { stdout: "pipe" });
    children.push(child);
    for await (const bytes of child.stdout) {
      const holder = new TextDecoder().decode(bytes).trim();
      return { child, holder, pid: markOf(holder)?.pid ?? 0 };
    }
    throw new Error("it printed no name");
  }

  const judged = (holder: string) => createEndedHolders()({ name: "lease", holder, token: 1 });

  test("a stopped process is alive, a killed one has ended", async () => {
    const { child, holder, pid } = await spawn([process.execPath, "-e", program]);
    expect(pid).toBe(child.pid);
    expect(judged(holder)).toBe(false);
    child.kill("SIGSTOP");
    await Bun.sleep(20);
    expect(judged(holder)).toBe(false);
    child.kill("SIGCONT");
    child.kill("SIGKILL");
    await child.exited;
    expect(judged(holder)).toBe(true);
  });

  test("a killed process has ended, though its parent never collects its exit code", async () => {
    const shell = `"$0" -e "$1" & exec sleep 60`;
    const { child, holder, pid } = await spawn(["sh", "-c", shell, process.execPath, program]);
    expect(pid).not.toBe(child.pid);
    expect(judged(holder)).toBe(false);
    process.kill(pid, "SIGKILL");
    await eventually(() => judged(holder));
    expect(readFileSync(`/proc/${pid}/stat`, "utf8")).toContain(") Z ");
  });

  const inOtherNamespace = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const canUnshare = Bun.which("unshare") !== null && Bun.spawnSync([...inOtherNamespace, "true"]).success;

  test.skipIf(!canUnshare)("a process in another namespace, as in a container, is never judged", async () => {
    const { child, holder, pid } = await spawn([...inOtherNamespace, process.execPath, "-e", program]);
    // Outside its namespace the process has another id.
    expect(pid).toBe(1);
    expect(judged(holder)).toBe(false);
    child.kill("SIGKILL");
    await child.exited;
    expect(judged(holder)).toBe(false);
  });

  test.skipIf(!canUnshare)("a process with the `/proc` of another namespace has no mark", async () => {
    const { holder } = await spawn([
      "unshare",
      "--pid",
      "--fork",
      "--kill-child",
      process.execPath,
      "-e",
      program,
    ]);
    expect(holder).toMatch(/^[\da-f-]{36}$/);
  });

  test("this process is alive, and a process that had its id before it has ended", () => {
    const own = readOwnMark();
    if (own === null) throw new Error("there is no mark on Linux");
    expect(judged(newHolderName(own))).toBe(false);
    expect(judged(newHolderName({ ...own, start: String(Number(own.start) - 1) }))).toBe(true);
  });
});
