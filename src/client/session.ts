import { readObject } from "./parse-answer.ts";
import { queryString } from "./read.ts";
import { type RequestDeps, send } from "./request.ts";

/** The sender of a request, as the server identifies it. */
export interface SenderInfo {
  /** How the server knows the sender; `anybody`: the store is open. */
  readonly kind: "anybody" | "trusted" | "key" | "jwt" | "session";
  /** Null: the sender has none. */
  readonly name: string | null;
  readonly grants: readonly string[];
  /** The consumer that the sender reads as; null: none. */
  readonly consumer: string | null;
  /** Null: never. */
  readonly expires: string | null;
  /** Whether the sender may do each of the things that were asked for, in their order. */
  readonly may?: readonly { readonly grant: string; readonly granted: boolean }[];
}

/** The sender of this client's requests, and the session of a browser. */
export interface SenderSession {
  /**
   * Returns the sender, and whether it may do each thing in `may`, such as `append:/streams/user-1`. Throws a KildeError
   * `unauthenticated` for a sender without valid credentials.
   */
  get(options?: { readonly may?: readonly string[]; readonly signal?: AbortSignal }): Promise<SenderInfo>;
  /** Opens a session with the token of a key: the browser then sends a cookie that scripts cannot read. */
  open(token: string): Promise<SenderInfo>;
  /** Removes the cookie of the session from the browser. */
  end(): Promise<void>;
}

const PATH = "/session";

/** Creates the methods for the sender and its session. */
export function createSession(deps: RequestDeps): SenderSession {
  return {
    get: ({ may, signal } = {}) =>
      send(deps, PATH + queryString({ may }), signal === undefined ? {} : { signal }, readObject<SenderInfo>),
    open: (token) => {
      const headers = { "content-type": "application/json" };
      const request = { method: "POST", body: JSON.stringify({ token }), headers };
      return send(deps, PATH, request, readObject<SenderInfo>);
    },
    end: () => send(deps, PATH, { method: "DELETE" }, async () => {}),
  };
}
