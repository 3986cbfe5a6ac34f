import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import { cleanUp, run, serve } from "../../cli/support.ts";

cleanUp();

const HERE = import.meta.dir;
const PROJECT = join(HERE, "../../..");
const CONTAINERFILE = readFileSync(join(HERE, "Containerfile"), "utf8");

/** The value of an instruction of the container file. */
function instruction(pattern: RegExp): string {
  const found = pattern.exec(CONTAINERFILE)?.[1];
  if (found === undefined) throw new Error(`the container file has nothing like ${pattern}`);
  return found;
}

/** Copies the files that the container file copies from the project, with the installed packages beside them. */
function copySources(into: string): void {
  mkdirSync(into);
  for (const [, files = "", target = ""] of CONTAINERFILE.matchAll(/^COPY (?!--)(.+) (\S+)$/gm))
    for (const file of files.split(" "))
      cpSync(join(PROJECT, file), join(into, target.endsWith("/") ? join(target, basename(file)) : target), {
        recursive: true,
      });
  symlinkSync(join(PROJECT, "node_modules"), join(into, "node_modules"));
}

/** Mounts of every container besides its own files; `tmp` is the folder that is mounted there. */
const ENTER = `
root=$1 user=$2 tmp=$3; shift 3
mkdir -p "$root/proc" "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs dev "$root/dev"
for device in null zero random urandom; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
test -z "$tmp" || mount -t tmpfs -o "$tmp" tmp "$root/tmp"
exec chroot --userspec="$user" "$root" "$@"`;

const isPossible = process.platform === "linux" && process.getuid?.() === 0 && Bun.which("unshare") !== null;

describe.skipIf(!isPossible)("a container with nothing but what the container file puts into it", () => {
  const folder = mkdtempSync(join(tmpdir(), "kilde-container-"));
  const root = join(folder, "root");
  const user = instruction(/^USER (\S+)$/m);
  const entrypoint = JSON.parse(instruction(/^ENTRYPOINT (.*)$/m)) as string[];
  const environment = Object.fromEntries(
    [...CONTAINERFILE.matchAll(/^ENV (\w+)=(\S+)$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );
  const unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"];
  const program = (tmp: string) =>
    unshare.concat(["sh", "-euc", ENTER, "enter", root, user, tmp], entrypoint);

  beforeAll(async () => {
    const sources = join(folder, "build");
    copySources(sources);
    const build = [process.execPath, ...instruction(/^RUN npx bun (.+)$/m).split(" ")];
    const built = await run([], { cwd: sources, program: build });
    expect(built.exitCode, built.stderr).toBe(0);
    const addon = [...new Bun.Glob("node_modules/@libsql/linux-*-gnu/index.node").scanSync(PROJECT)];
    const binary = join(sources, instruction(/sh container-root\.sh (\S+)/));
    const make = ["sh", join(sources, "container-root.sh"), binary, ...addon, root];
    expect((await run([], { cwd: PROJECT, program: make })).stderr).toBe("");
    const data = join(root, "data");
    mkdirSync(data);
    const [uid, gid] = user.split(":").map(Number);
    chownSync(data, uid ?? 0, gid ?? 0);
  }, 120_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("serves, and stops in order", async () => {
    const key = ["keys", "create", "root", "--may", "admin"];
    const created = await run(key, { cwd: "/", program: program(""), environment });
    const token = { KILDE_TOKEN: created.stdout.trim() };
    const server = await serve("/", [], { program: program(""), environment });
    const ready = await fetch(`${server.url}/ready`);
    expect(ready.status).toBe(200);
    const refused = await server.kilde(["append", "user-1", "UserRegistered"]);
    expect(refused.exitCode).not.toBe(0);
    const appended = await server.kilde(["append", "user-1", "UserRegistered"], { environment: token });
    expect([appended.stderr, appended.stdout]).toEqual(["", "user-1 is at version 1, position 1\n"]);
    // As the container's first process; `unshare` waits for it.
    const [first] = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "utf8").split(" ");
    process.kill(Number(first), "SIGTERM");
    const stopped = await server.stop("SIGCONT");
    expect([stopped.exitCode, stopped.stdout]).toEqual([0, expect.stringContaining('"msg":"stopped"')]);
    const doctor = await run(["doctor"], { cwd: "/", program: program(""), environment });
    expect(doctor.stdout).toBe("file:/data/kilde.db is sound\n");
  });

  // Docker mounts `--tmpfs /tmp` with noexec unless the command line has other options.
  test("needs a folder for temporary files that programs may be loaded from", async () => {
    const refused = await run(["doctor"], { cwd: "/", program: program("noexec,mode=1777"), environment });
    expect(refused.exitCode).not.toBe(0);
    expect(refused.stderr).toContain("failed to map segment");
    const taken = await run(["doctor"], { cwd: "/", program: program("exec,mode=1777"), environment });
    expect(taken.stdout).toContain("is sound");
  });
});
