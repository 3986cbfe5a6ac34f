import type { KildeEvent } from "../../core/read-event.ts";
import { decodeSegment } from "../format/decode-segment.ts";

/** An entry of the log of administration, as it is shown. */
export interface OperationEntry {
  /** Its type in words: `feed halted`. */
  readonly title: string;
  /** Path of the resource that was changed. */
  readonly resource: string;
  /** Null: Kilde made the change, or the store has no access control. */
  readonly principal: string | null;
  /** Null: the request stated none. */
  readonly reason: string | null;
  /** View of the resource, with the values of its query; null: there is none. */
  readonly view: { readonly name: string; readonly query?: Readonly<Record<string, string>> } | null;
}

function textOf(data: unknown, name: string): string | null {
  if (typeof data !== "object" || data === null) return null;
  const value: unknown = Object.getOwnPropertyDescriptor(data, name)?.value;
  return typeof value === "string" && value !== "" ? value : null;
}

function viewOf(resource: string): OperationEntry["view"] {
  const [, root = "", ...names] = resource.split("/").map(decodeSegment);
  const at = names.indexOf("consumers");
  const consumer = names[at + 1];
  if (at !== -1 && consumer !== undefined && root !== "streams") {
    const log = `/${[root, ...names.slice(0, at)].join("/")}`;
    return { name: "consumers", query: { log, consumer } };
  }
  switch (root) {
    case "feeds":
      return { name: `feeds/${names.slice(0, 2).join("/")}` };
    case "streams":
      return { name: "stream", query: { name: names.join("/") } };
    case "subscriptions":
      return { name: `webhooks/${names[0] ?? ""}` };
    case "keys":
      return names[0] === undefined ? null : { name: `keys/${names[0]}` };
    default:
      return null;
  }
}

/** Returns the parts of an entry that are shown. */
export function operationEntry({
  type,
  subject,
  data,
}: Pick<KildeEvent, "type" | "subject" | "data">): OperationEntry {
  return {
    title: type.replace(/^kilde\./, "").replaceAll(/[.-]/g, " "),
    resource: subject,
    principal: textOf(data, "principal"),
    reason: textOf(data, "reason"),
    view: viewOf(subject),
  };
}
