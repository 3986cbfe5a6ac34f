import { existsSync } from "node:fs";

import { type BinaryPlatform, PLATFORMS } from "./platforms.ts";

function isMusl(): boolean {
  return existsSync("/lib/ld-musl-x86_64.so.1") && !existsSync("/lib64/ld-linux-x86-64.so.2");
}

/** The platform of this process; undefined: there is no binary for it. */
export function thisPlatform(): ((typeof PLATFORMS)[number] & BinaryPlatform) | undefined {
  const { platform, arch } = process;
  const libc = platform !== "linux" ? undefined : isMusl() ? "musl" : "glibc";
  const all: readonly ((typeof PLATFORMS)[number] & BinaryPlatform)[] = PLATFORMS;
  return all.find((each) => each.os === platform && each.cpu === arch && each.libc === libc);
}
