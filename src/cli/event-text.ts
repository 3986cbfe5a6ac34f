import { escapeLine } from "./control-characters.ts";
import { eventJson } from "./event-json.ts";

/**
 * Formats an event for people: a line that identifies it, and its data below. `line` is a CloudEvent. Throws an
 * UnreadableEventError; `log` is the path that was read.
 */
export function prettyEvent(line: string, log: string): string {
  const json = eventJson(line, log);
  const event = json.value as Readonly<Record<string, unknown>>;
  const { id, subject, sequence, type, time } = event;
  const version = String(Number(sequence));
  const heading = [id, `${String(subject)}@${version}`, type, time].map((part) => escapeLine(String(part)));
  const lines = [heading.join("  ")];
  if ("data" in event) lines.push(`    ${escapeLine(json.textAt(["data"], event["data"]))}`);
  return `${lines.join("\n")}\n`;
}

/** An event as the server sent it, as one line. Throws an UnreadableEventError, so that only JSON is printed. */
export function eventLine(line: string, log: string): string {
  eventJson(line, log);
  return `${line}\n`;
}
