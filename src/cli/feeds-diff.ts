import type { Command } from "commander";

import { type ComparableEvent, type Correspondence, correspondences } from "../feeds/define/differences.ts";
import type { CliContext } from "./context.ts";
import { escapeLine } from "./control-characters.ts";
import { versionNumber } from "./feeds-test.ts";
import { examples, jsonOption, serverCommand, type ServerFlags } from "./options.ts";
import { readPages } from "./pages.ts";
import { type Server, streamName, withServer } from "./server.ts";

interface DiffFlags extends ServerFlags {
  readonly subject: string;
  readonly json?: boolean;
}

interface WireEvent {
  readonly type: string;
  readonly sequence: string;
  readonly data?: unknown;
  readonly projectedfrom?: string;
}

async function subjectEvents(
  server: Server,
  feed: string,
  version: number,
  subject: string,
): Promise<ComparableEvent[]> {
  const path = `/feeds/${encodeURIComponent(feed)}/v${version}/subjects/${encodeURIComponent(subject)}`;
  const events: ComparableEvent[] = [];
  for await (const { lines } of readPages(server, path, new URLSearchParams())) {
    for (const line of lines) {
      const { type, sequence, data, projectedfrom } = JSON.parse(line) as WireEvent;
      const projectedFrom = projectedfrom === undefined ? null : Number(projectedfrom);
      events.push({ type, version: Number(sequence), data, projectedFrom });
    }
  }
  return events;
}

const NOTHING = "–";

function jsonOf(value: unknown): string {
  return value === undefined ? NOTHING : JSON.stringify(value);
}

function eventName(event: ComparableEvent | null): string {
  return event === null ? "(nothing)" : `${event.type} @${event.version}`;
}

type Row = readonly [member: string, left: string, right: string];

function comparisonRows({ projectedFrom, left, right, differences }: Correspondence): Row[] {
  const heading = projectedFrom === null ? "" : `event ${projectedFrom}`;
  const same = left !== null && right !== null && differences.length === 0 ? "  (same data)" : "";
  return [
    [heading, eventName(left), eventName(right) + same],
    ...differences.map((each): Row => [`  ${each.pointer}`, jsonOf(each.left), jsonOf(each.right)]),
  ];
}

/** Formats columns as wide as their content, up to a width that leaves room for the others. */
function table(rows: readonly Row[]): string {
  const widths = ([0, 1] as const).map((column) =>
    Math.min(
      60,
      rows.reduce((most, row) => Math.max(most, row[column].length), 0),
    ),
  );
  return rows
    .map((row) => row.map(escapeLine))
    .map(
      ([member = "", left = "", right = ""]) =>
        `${member.padEnd(widths[0] ?? 0)}  ${left.padEnd(widths[1] ?? 0)}  ${right}\n`,
    )
    .join("");
}

async function diffVersions(
  context: CliContext,
  feed: string,
  [leftVersion, rightVersion]: readonly [number, number],
  { subject, json, ...named }: DiffFlags,
): Promise<void> {
  const name = streamName(subject);
  const [left, right] = await withServer(context, named, (server) =>
    Promise.all([
      subjectEvents(server, feed, leftVersion, name),
      subjectEvents(server, feed, rightVersion, name),
    ]),
  );
  const found = correspondences(left, right);
  if (json === true) {
    await context.stdout.write(found.map((each) => `${JSON.stringify(each)}\n`).join(""));
    return;
  }
  const heading: Row = [subject, `${feed}/v${leftVersion}`, `${feed}/v${rightVersion}`];
  await context.stdout.write(table([heading, ...found.flatMap(comparisonRows)]));
}

/** `kilde feeds diff` */
export function feedsDiffCommand(context: CliContext): Command {
  return serverCommand("diff")
    .description(
      "Prints the events that two versions of a feed publish about one subject, side by side: the events projected from the same event, and the differences in their data.",
    )
    .argument("<feed>", "the feed's name")
    .argument("<left>", "a version", versionNumber)
    .argument("<right>", "another version", versionNumber)
    .requiredOption("--subject <name>", "the subject")
    .addOption(jsonOption("print JSON, one pair of events per line"))
    .addHelpText("after", examples("kilde feeds diff declarations v1 v2 --subject declaration-81250"))
    .action((feed: string, left: number, right: number, flags: DiffFlags) =>
      diffVersions(context, feed, [left, right], flags),
    );
}
