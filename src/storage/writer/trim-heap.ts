import { dlopen } from "bun:ffi";

/**
 * Returns the memory that libSQL has freed to the operating system. glibc keeps it in the arena of the thread otherwise:
 * most of a page cache, because a few small allocations lie above it. Other C libraries do so themselves.
 */
export function trimHeap(): void {
  if (process.platform !== "linux") return;
  try {
    const library = dlopen("libc.so.6", { malloc_trim: { args: ["u64"], returns: "i32" } });
    library.symbols.malloc_trim(0);
    library.close();
  } catch {
    // This C library has no such function.
  }
}
