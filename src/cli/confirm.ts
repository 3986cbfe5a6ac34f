import type { CliContext } from "./context.ts";

/** Asks a person at a terminal a question; every answer but `y` and `yes` means no. */
export async function isConfirmed(context: CliContext, question: string): Promise<boolean> {
  await context.stderr.write(`${question} [y/N] `);
  const reader = context.stdin().getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  return /^y(es)?\s*$/i.test(new TextDecoder().decode(value));
}
