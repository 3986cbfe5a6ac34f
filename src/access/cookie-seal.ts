import { EncryptJWT, errors, jwtDecrypt, type JWTPayload } from "jose";

import type { Clock } from "../core/clock.ts";
import type { SessionSecret } from "./session-secret.ts";

/** A cookie of one purpose is not valid for another. */
export type CookiePurpose = "session" | "sign-in";

/** Seals the values of cookies, so that a browser can neither read nor change them. */
export interface CookieSeal {
  /** `expires`: in milliseconds since 1970. */
  seal(purpose: CookiePurpose, claims: JWTPayload, expires: number): Promise<string>;
  /** Null: the text was not sealed for this purpose by a process of this store, or has expired. */
  open(purpose: CookiePurpose, sealed: string): Promise<JWTPayload | null>;
}

export interface CookieSealDeps {
  readonly clock: Pick<Clock, "now">;
  readonly secret: SessionSecret;
  /** A secret of the configuration, which the key depends on as well; empty: there is none. */
  readonly pepper: string;
}

const ALGORITHM = { alg: "dir", enc: "A256GCM" };

/** A browser stores no longer cookie. */
const MAX_LENGTH = 4_096;

/** Derives the key for one purpose (RFC 5869). */
async function deriveKey(secret: string, pepper: string, purpose: CookiePurpose): Promise<CryptoKey> {
  const encoder = new TextEncoder();
  // The secret has a fixed length, so the two cannot be mistaken for others.
  const material = encoder.encode(secret + pepper);
  const base = await crypto.subtle.importKey("raw", material, "HKDF", false, ["deriveKey"]);
  const derivation = {
    name: "HKDF",
    hash: "SHA-256",
    salt: new Uint8Array(),
    info: encoder.encode(`kilde ${purpose}`),
  };
  const derived = { name: "AES-GCM", length: 256 };
  return crypto.subtle.deriveKey(derivation, base, derived, false, ["encrypt", "decrypt"]);
}

export function createCookieSeal({ clock, secret, pepper }: CookieSealDeps): CookieSeal {
  const derived = new Map<CookiePurpose, { readonly secret: string; readonly key: CryptoKey }>();
  const keyOf = async (text: string, purpose: CookiePurpose): Promise<CryptoKey> => {
    const known = derived.get(purpose);
    if (known?.secret === text) return known.key;
    const key = await deriveKey(text, pepper, purpose);
    derived.set(purpose, { secret: text, key });
    return key;
  };

  const openWith = async (text: string | null, purpose: CookiePurpose, sealed: string) => {
    if (text === null) return null;
    try {
      const { payload } = await jwtDecrypt(sealed, await keyOf(text, purpose), {
        keyManagementAlgorithms: [ALGORITHM.alg],
        contentEncryptionAlgorithms: [ALGORITHM.enc],
        currentDate: new Date(clock.now()),
        requiredClaims: ["exp"],
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JOSEError) return null;
      throw error;
    }
  };

  return {
    async seal(purpose, claims, expires) {
      const key = await keyOf(await secret.current(), purpose);
      const expiring = new EncryptJWT({ ...claims, exp: Math.floor(expires / 1_000) });
      return expiring.setProtectedHeader(ALGORITHM).encrypt(key);
    },
    async open(purpose, sealed) {
      if (sealed.length > MAX_LENGTH) return null;
      const known = await secret.known();
      const opened = await openWith(known, purpose, sealed);
      // Another store may have replaced this one.
      return opened ?? openWith(await secret.changed(known), purpose, sealed);
    },
  };
}
