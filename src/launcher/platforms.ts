/** A platform that has a binary. */
export interface BinaryPlatform {
  /** The end of its package's name: `@kilde/server-linux-x64`. */
  readonly id: string;
  readonly os: NodeJS.Platform;
  readonly cpu: NodeJS.Architecture;
  readonly libc?: "glibc" | "musl";
}

export const PLATFORMS = [
  { id: "linux-x64", os: "linux", cpu: "x64", libc: "glibc" },
  { id: "linux-x64-musl", os: "linux", cpu: "x64", libc: "musl" },
  { id: "linux-arm64", os: "linux", cpu: "arm64", libc: "glibc" },
  { id: "darwin-arm64", os: "darwin", cpu: "arm64" },
  { id: "darwin-x64", os: "darwin", cpu: "x64" },
  { id: "win32-x64", os: "win32", cpu: "x64" },
] as const satisfies readonly BinaryPlatform[];

export type PlatformId = (typeof PLATFORMS)[number]["id"];

export const SERVER_PACKAGE = "@kilde/server";

/** The package with the binary of a platform. */
export function platformPackage(id: string): string {
  return `${SERVER_PACKAGE}-${id}`;
}

/** The binary within its package. */
export function binaryName(os: NodeJS.Platform): string {
  return os === "win32" ? "kilde.exe" : "kilde";
}
