import { FeedDefinitionsError } from "../feeds/define/compile-all.ts";
import { IncompatibleContractError } from "../feeds/contract/published-contract.ts";
import { SchemaError } from "../log/migrate.ts";

/** Whether only another program can fix the error; otherwise storage failed, and a retry may succeed. */
export function isAboutProgram(error: unknown): boolean {
  return (
    error instanceof SchemaError ||
    error instanceof FeedDefinitionsError ||
    error instanceof IncompatibleContractError
  );
}
