import { parseJson } from "../core/json.ts";
import { MAX_DEPTH } from "./json-argument.ts";

/** An event for people: a line that says which, and its data below. `line` is a CloudEvent. */
export function prettyEvent(line: string): string {
  const json = parseJson(line, MAX_DEPTH);
  const event = json.value as Readonly<Record<string, unknown>>;
  const { id, subject, sequence, type, time } = event;
  const version = String(Number(sequence));
  const heading = `${String(id)}  ${String(subject)}@${version}  ${String(type)}  ${String(time)}\n`;
  return "data" in event ? `${heading}    ${json.textAt(["data"], event["data"])}\n` : heading;
}
