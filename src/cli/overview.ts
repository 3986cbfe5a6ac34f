import type { Command } from "commander";

import type { StoreOverview } from "../client/store-types.ts";
import type { CliContext } from "./context.ts";
import { escapeLine } from "./control-characters.ts";
import { examples, jsonOption, serverCommand, type ServerFlags } from "./options.ts";
import { withServer } from "./server.ts";

interface OverviewFlags extends ServerFlags {
  readonly json?: boolean;
}

/** The counts above zero, such as `3 live, 1 halted`. */
function countsText(counts: Readonly<Record<string, number>>): string {
  const present = Object.entries(counts).filter(([, count]) => count > 0);
  return present.length === 0 ? "none" : present.map(([name, count]) => `${count} ${name}`).join(", ");
}

function growthText({ head, activity }: StoreOverview): string {
  if (head === null) return "not readable with this token";
  const latest = activity?.eventsPerSecond.at(-1);
  return latest === undefined ? `${head} events` : `${head} events, ${latest.toFixed(1)} a second now`;
}

function linesOf(overview: StoreOverview): string[] {
  const { version, environment, feeds, consumers, subscriptions, problems, problemCount } = overview;
  const { blockedSubjects, ...states } = subscriptions;
  const blocked = blockedSubjects === 0 ? "" : `; ${blockedSubjects} blocked subjects`;
  const more = problemCount - problems.length;
  return [
    `Kilde ${version}${environment === null ? "" : ` (${environment})`}`,
    `events         ${growthText(overview)}`,
    `feeds          ${countsText(feeds)}`,
    `consumers      ${countsText(consumers)}`,
    `subscriptions  ${countsText(states)}${blocked}`,
    ...(problems.length === 0 ? ["", "No problems."] : []),
    ...problems.flatMap(({ detail, contact, next }) => [
      "",
      contact === null ? detail : `${detail} (contact: ${contact})`,
      `  $ ${next.command}`,
    ]),
    ...(more > 0 ? ["", `… and ${more} more problems`] : []),
  ];
}

/** `kilde overview` */
export function overviewCommand(context: CliContext): Command {
  return serverCommand("overview")
    .description(
      "Shows the state of a store: its growth, feeds, consumers and subscriptions, and each problem with its next step.",
    )
    .addOption(jsonOption())
    .addHelpText("after", examples("kilde overview", "kilde overview --json | jq .problems"))
    .action(async ({ json, ...flags }: OverviewFlags) => {
      const overview = await withServer(context, flags, ({ client }) => client.overview());
      const text = json === true ? JSON.stringify(overview) : linesOf(overview).map(escapeLine).join("\n");
      await context.stdout.write(`${text}\n`);
    });
}
