import { toHeaderText } from "../core/header-text.ts";

/** The reason of a change. */
export interface ReasonOptions {
  /** Why, for the log of administration: at most 500 characters. Default: none. */
  readonly reason?: string | undefined;
}

/** The headers of a request that states a reason. */
export function reasonHeaders({ reason = "" }: ReasonOptions): Record<string, string> {
  return reason === "" ? {} : { "kilde-reason": toHeaderText(reason) };
}
