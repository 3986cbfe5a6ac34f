import { dlopen } from "bun:ffi";

/**
 * Returns the memory that libSQL has freed to the operating system. glibc keeps it in the arena of the thread otherwise:
 * most of a page cache, because a few small allocations lie above it. Other systems than Linux do so themselves.
 * @throws where the C library has no such function
 */
export function trimHeap(library = "libc.so.6"): void {
  if (process.platform !== "linux") return;
  const opened = dlopen(library, { malloc_trim: { args: ["u64"], returns: "i32" } });
  opened.symbols.malloc_trim(0);
  opened.close();
}
