import type { CliContext } from "./context.ts";

/** Asks a person at a terminal a question; everything but `y` and `yes` is a no. */
export async function isConfirmed(context: CliContext, question: string): Promise<boolean> {
  await context.stderr.write(`${question} [y/N] `);
  const reader = context.stdin().getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  return /^y(es)?\s*$/i.test(new TextDecoder().decode(value));
}
