import { accepts } from "hono/accepts";
import type { Context } from "hono";

/** Content codings of large answers, the preferred first. */
const CODINGS = ["gzip", "deflate"] as const;

export type Coding = (typeof CODINGS)[number];

interface Accepted {
  readonly type: string;
  readonly q: number;
}

/** Returns the quality that a header gives to a coding; null: the header names neither the coding nor `*`. */
function qualityOf(coding: string, accepted: readonly Accepted[]): number | null {
  const named = accepted.find(({ type }) => type.toLowerCase() === coding);
  return (named ?? accepted.find(({ type }) => type === "*"))?.q ?? null;
}

/**
 * Returns the content coding of the answer (RFC 9110 §12.5.3); null: none, which is always acceptable unless the
 * header excludes it.
 */
export function codingOf(c: Context): Coding | null {
  const match = (accepted: Accepted[]): string => {
    const plain = accepted.find(({ type }) => type.toLowerCase() === "identity")?.q ?? 0;
    const [best] = CODINGS.map((coding) => ({ coding, q: qualityOf(coding, accepted) ?? 0 })).toSorted(
      (one, other) => other.q - one.q,
    );
    return best !== undefined && best.q > 0 && best.q >= plain ? best.coding : "";
  };
  const chosen = accepts(c, { header: "Accept-Encoding", supports: [...CODINGS], default: "", match });
  return CODINGS.find((coding) => coding === chosen) ?? null;
}
