import { absentConsumer } from "../../administration/objectives/absent-consumer.ts";
import type { MissedObjective } from "../../administration/objectives/missed-objectives.ts";
import type { OverviewProblem } from "./problems.ts";

/** The path of the log that a consumer reads; null: it has read none. */
export function logOfConsumer({ name, resource }: Pick<MissedObjective, "name" | "resource">): string | null {
  return resource === absentConsumer(name) ? null : resource.slice(0, -`/consumers/${name}`.length);
}

/** Names of logs as the command line takes them: `declarations/v2`. */
function feedArgument(log: string): string {
  return log.startsWith("/feeds/") ? log.slice("/feeds/".length) : log;
}

/** The view and the command that show a consumer. */
export function nextOfConsumer(log: string, name: string): OverviewProblem["next"] {
  const query = new URLSearchParams({ log, consumer: name }).toString();
  const command = log === "/events" ? "kilde consumers" : `kilde consumers --feed ${feedArgument(log)}`;
  return { view: `/console/consumers?${query}`, command };
}

/** Texts, by the kind of a resource and the measured value. */
const DETAILS: Readonly<
  Record<MissedObjective["kind"], Readonly<Record<MissedObjective["measure"], string>>>
> = {
  consumer: { lag: "has events to handle", silent: "has neither read nor committed" },
  feed: { lag: "has events to project", silent: "has published nothing" },
  subscription: { lag: "has events to deliver", silent: "has delivered nothing" },
};

/** The path, the view and the command of a resource. */
function placeOf({ kind, name, resource }: MissedObjective): Pick<OverviewProblem, "resource" | "next"> {
  if (kind === "feed") return { resource, next: { view: `/console${resource}`, command: "kilde feeds" } };
  if (kind === "subscription")
    return {
      resource,
      next: { view: `/console/webhooks/${name}`, command: `kilde webhooks attempts ${name}` },
    };
  const log = logOfConsumer({ name, resource });
  if (log === null)
    return {
      resource: absentConsumer(encodeURIComponent(name)),
      next: { view: "/console/consumers", command: "kilde consumers" },
    };
  return { resource: `${log}/consumers/${encodeURIComponent(name)}`, next: nextOfConsumer(log, name) };
}

/** The resource, and what it does not do. */
function findingOf(missed: MissedObjective): string {
  const { kind, name, measure } = missed;
  const shown = JSON.stringify(name);
  if (kind !== "consumer") return `${shown} ${DETAILS[kind][measure]}`;
  const log = logOfConsumer(missed);
  return log === null ? `${shown} has read no log` : `${shown} of ${log} ${DETAILS[kind][measure]}`;
}

/** Describes an objective that is missed. */
export function missedProblem(missed: MissedObjective): OverviewProblem {
  const { kind, measure, since, limitSeconds, contact } = missed;
  return {
    kind: `${kind}-${measure === "lag" ? "late" : "silent"}`,
    ...placeOf(missed),
    detail: `${findingOf(missed)} for longer than its objective, ${limitSeconds} s`,
    contact,
    since,
  };
}
