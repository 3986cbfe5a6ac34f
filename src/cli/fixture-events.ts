import { z } from "zod";

import {
  FREE_METADATA,
  isKildeAttribute,
  METADATA_ATTRIBUTES,
  PLACED_ATTRIBUTES,
} from "../core/attributes.ts";
import type { SourceEvent } from "../feeds/define/define.ts";
import { CliError, EXIT } from "./exit.ts";

/** A line of a file: an event in the format of `kilde import` or of `kilde read`. */
const lineSchema = z.looseObject({
  type: z.string().min(1),
  stream: z.string().min(1).optional(),
  subject: z.string().min(1).optional(),
  id: z.string().regex(/^\d+$/, "must be a position").optional(),
  sequence: z.string().regex(/^\d+$/, "must be a version").optional(),
  time: z.string().optional(),
  data: z.unknown().optional(),
  specversion: z.string().optional(),
  metadata: z.union([z.record(z.string(), z.unknown()), z.string()]).optional(),
  attributes: z.record(z.string(), z.unknown()).optional(),
});

/** Attributes of a CloudEvent as the server sent it, without those of its place and its metadata. */
function attributesOf(event: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const others = Object.entries(event).filter(
    ([name]) =>
      !PLACED_ATTRIBUTES.has(name) &&
      !isKildeAttribute(name) &&
      name !== FREE_METADATA &&
      name !== "datacontenttype",
  );
  return Object.fromEntries(others);
}

/** The attributes that an append of the line would give the event, without its free metadata. */
function extensionsOf(line: z.output<typeof lineSchema>): Record<string, unknown> {
  if (line.specversion !== undefined) return attributesOf(line);
  const metadata = typeof line.metadata === "object" ? line.metadata : {};
  const named = Object.entries(METADATA_ATTRIBUTES).flatMap(([attribute, name]) =>
    metadata[name] === undefined ? [] : [[attribute, metadata[name]] as const],
  );
  return { ...Object.fromEntries(named), ...line.attributes };
}

function parseLine(text: string, number: number): z.output<typeof lineSchema> {
  const refuse = (reason: string): CliError =>
    new CliError(
      EXIT.usage,
      `line ${number}: ${reason}`,
      'A line is {"stream", "type", "data"?, "time"?, "metadata"?, "attributes"?}, or a CloudEvent as `kilde read` prints it.',
    );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  const result = lineSchema.safeParse(value);
  if (result.success) return result.data;
  throw refuse(result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
}

/**
 * Parses lines into events. By default, positions and versions count up, the stream is `defaultStream`, and each
 * event's time is one second after the one before.
 */
export function fixtureReader(defaultStream: string): (text: string, number: number) => SourceEvent {
  const versions = new Map<string, number>();
  let position = 0;
  return (text, number) => {
    const line = parseLine(text, number);
    const subject = line.subject ?? line.stream ?? defaultStream;
    position = line.id === undefined ? position + 1 : Number(line.id);
    const version = line.sequence === undefined ? (versions.get(subject) ?? 0) + 1 : Number(line.sequence);
    versions.set(subject, version);
    return {
      type: line.type,
      subject,
      version,
      position,
      time: line.time ?? new Date(Date.UTC(2026, 0, 1) + position * 1_000).toISOString(),
      data: line.data ?? null,
      extensions: extensionsOf(line),
    };
  };
}
