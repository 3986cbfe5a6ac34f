import { escapeControls } from "./control-characters.ts";

const LEVELS: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

/** A text that needs no quotes in `name=text`. */
const PLAIN = /^[^\s"=]+$/;

function valueText(value: unknown): string {
  if (typeof value === "string" && PLAIN.test(value)) return value;
  return JSON.stringify(value);
}

function membersText(members: Readonly<Record<string, unknown>>): string {
  return Object.entries(members)
    .map(([name, value]) => ` ${name}=${valueText(value)}`)
    .join("");
}

/** The stack of a logged error, and of those that it consists of, on lines of their own. */
function stackText(error: unknown): string {
  if (typeof error !== "object" || error === null) return "";
  const { stack, message, errors } = error as Readonly<Record<string, unknown>>;
  const parts = Array.isArray(errors) ? errors.map(stackText) : [];
  return `\n${String(stack ?? message)}${parts.join("")}`.replaceAll("\n", "\n  ");
}

function requestText(members: Readonly<Record<string, unknown>>): string {
  const { method, path, status, durationMs, route: _route, ...more } = members;
  return `${String(method)} ${String(path)} ${String(status)} ${String(durationMs)} ms${membersText(more)}`;
}

/** Formats a JSON line of the server's log for a person at a terminal: the time in UTC, the level and the message. */
export function readableLine(json: string): string {
  const { time, level, msg, err, ...members } = JSON.parse(json) as Record<string, unknown>;
  const at = String(time).slice("2026-01-01T".length, "2026-01-01T00:00:00".length);
  const isRequest = msg === "request" && "status" in members;
  const text = isRequest ? requestText(members) : `${String(msg)}${membersText(members)}`;
  const line = `${at} ${(LEVELS[Number(level)] ?? "").padEnd(5)} ${text}${stackText(err)}`;
  return `${escapeControls(line)}\n`;
}
