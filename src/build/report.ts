import { relative } from "node:path";

function shownPath(path: string): string {
  const path_ = relative(process.cwd(), path);
  return path_.startsWith("..") ? path : path_;
}

/** Prints the name and the size of a file that was built. */
export function report(path: string): void {
  const kibibytes = Math.ceil(Bun.file(path).size / 1024);
  console.log(`${shownPath(path)}  ${kibibytes.toLocaleString("en")} KiB`);
}
