import type { ListPart } from "./types.ts";
import type { ReasonOptions } from "./stated-reason.ts";

/** A key as it is shown: never with its token, of which Kilde stores only a digest. Times are RFC 3339. */
export interface ApiKey {
  /** Its id, which is part of its token. */
  readonly key: string;
  /** A key and those that replace it have the same name. */
  readonly name: string;
  /** `rotated`: another key replaces it, and it is valid until it expires. */
  readonly status: "active" | "rotated" | "expired" | "revoked";
  readonly grants: readonly string[];
  /** The consumer that it reads and commits as; null: none. */
  readonly consumer: string | null;
  readonly created: string;
  /** Null: never. */
  readonly expires: string | null;
  readonly revoked: string | null;
  /** Id of the key that replaces it. */
  readonly successor: string | null;
  /** When it was last used, to within some minutes; null: never. */
  readonly used: string | null;
}

export interface NewApiKey {
  readonly name: string;
  /** A verb and a path each, such as `read:/feeds/declarations`, or `admin`. */
  readonly grants: readonly string[];
  /** The consumer that it reads and commits as. Default: none. */
  readonly consumer?: string | null;
  /** Default: never. */
  readonly expires?: string | null;
}

/** A key that was created just now, with its token: Kilde does not show the token again. */
export interface IssuedApiKey extends ApiKey {
  readonly token: string;
}

export interface ApiKeyRotation extends ReasonOptions {
  /** How long the old key is valid beside the new one. Default: a day. */
  readonly overlapSeconds?: number;
  /** Expiry of the new key; null: never. Default: it lives as long as the old one was to live. */
  readonly expires?: string | null;
}

/** API keys. All methods need the grant `admin`. */
export interface ApiKeys {
  create(key: NewApiKey, options?: ReasonOptions): Promise<IssuedApiKey>;
  /** All keys in order of name, also those that have ended. */
  list(options?: ListPart): AsyncGenerator<ApiKey, void, undefined>;
  get(key: string): Promise<ApiKey>;
  /** Replaces a key by one with the same name, grants and consumer. */
  rotate(key: string, options?: ApiKeyRotation): Promise<IssuedApiKey>;
  /** Ends a key at once, and the streams that it follows within 5 seconds. */
  revoke(key: string, options?: ReasonOptions): Promise<ApiKey>;
}
