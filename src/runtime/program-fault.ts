import { FeedDefinitionsError } from "../feeds/define/compile-all.ts";
import { IncompatibleContractError } from "../feeds/contract/published-contract.ts";
import { SchemaError } from "../log/migrate.ts";

/** Whether another program has to be deployed; otherwise storage failed, and it may be tried again. */
export function isAboutProgram(error: unknown): boolean {
  return (
    error instanceof SchemaError ||
    error instanceof FeedDefinitionsError ||
    error instanceof IncompatibleContractError
  );
}
