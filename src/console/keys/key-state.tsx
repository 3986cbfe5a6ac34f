import type { ApiKey } from "../../client/key-types.ts";

/** Shows whether a key is valid. */
export function KeyState({ status }: Pick<ApiKey, "status">) {
  return <span class={`state ${status}`}>{status}</span>;
}
