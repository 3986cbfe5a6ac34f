import { z } from "zod";

import { parseDuration } from "../core/duration.ts";
import { FEED_NAME, nameFault } from "../core/names.ts";
import type { Objective, ObjectiveKind } from "../core/objective.ts";
import { objectFault } from "./object-fault.ts";

/** All objectives are measured in each store, which has logs and consumers of its own. */
const TENANT_FAULT = "must be the name of a tenant";

/** Kilde measures every five seconds. */
const SHORTEST_LAG_MS = 5_000;

/** Consumers that wait for events show once a minute that they are there. */
const SHORTEST_SILENCE_MS = 120_000;

const LONGEST_MS = 365 * 86_400_000;

/** All of them are measured at once. */
const MOST_OBJECTIVES = 5_000;

const MOST_CONTACT_CHARACTERS = 200;
const MOST_NAME_BYTES = 1_000;

function duration(shortest: string, shortestMs: number) {
  const message = `must be a duration from ${shortest} to 365d, such as 30s, 15m, 1h or 7d`;
  return z
    .string(message)
    .refine((text) => {
      const ms = parseDuration(text);
      return ms !== null && ms >= shortestMs && ms <= LONGEST_MS;
    }, message)
    .optional();
}

const CONTACT_FAULT = `must be a text of 1 to ${MOST_CONTACT_CHARACTERS} characters, such as #team-cards`;

const members = {
  /** Longest age of an event that is still to be handled, projected or delivered. */
  lag: duration("5s", SHORTEST_LAG_MS),
  /** Longest time without a read or commit, a published event, or a delivery. */
  silent: duration("2m", SHORTEST_SILENCE_MS),
  /** Whom an alarm is for. */
  contact: z
    .string(CONTACT_FAULT)
    .min(1, CONTACT_FAULT)
    .max(MOST_CONTACT_CHARACTERS, CONTACT_FAULT)
    .optional(),
  /** The tenant whose store it is for; absent: every store. */
  tenant: z.string(TENANT_FAULT).min(1, TENANT_FAULT).optional(),
};

const LOG = /^\/(?:events|operations|feeds\/[a-z0-9]+(?:-[a-z0-9]+)*\/v[1-9]\d{0,8})$/;

const hasLimit = ({
  lag,
  silent,
}: {
  readonly lag?: string | undefined;
  readonly silent?: string | undefined;
}) => lag !== undefined || silent !== undefined;

const NO_LIMIT = "must state lag, silent, or both";

const OBJECTIVE = 'must be an object: { lag: "30s", silent: "1h", contact: "#team" }';

const objectiveSchema = z.strictObject(members, objectFault(OBJECTIVE)).refine(hasLimit, NO_LIMIT);

const consumerSchema = z
  .strictObject(
    {
      ...members,
      log: z
        .string("must be the path of a log")
        .regex(LOG, "must be the path of a log, such as /events or /feeds/users/v1")
        .optional(),
    },
    objectFault(OBJECTIVE.replace(" }", ', log: "/feeds/users/v1" }')),
  )
  .refine(hasLimit, NO_LIMIT);

function isFeedVersion(text: string): boolean {
  const [, name = ""] = /^(.+)\/v[1-9]\d{0,8}$/.exec(text) ?? [];
  return FEED_NAME.test(name);
}

/** Names that no consumer can have would never be measured. */
const consumerNameSchema = z.string().superRefine((name, context) => {
  const message = nameFault(name, MOST_NAME_BYTES);
  if (message !== null) context.addIssue({ code: "custom", message });
});

const BY_NAME = "must be an object of objectives by name";

/** The objectives of consumers, feeds and subscriptions, by name. */
export const objectivesSchema = z
  .strictObject(
    {
      consumers: z.record(consumerNameSchema, consumerSchema, BY_NAME).default({}),
      feeds: z
        .record(
          z.string().refine(isFeedVersion, "must be a feed and its version, such as users/v1"),
          objectiveSchema,
          BY_NAME,
        )
        .default({}),
      subscriptions: z.record(z.string().min(1), objectiveSchema, BY_NAME).default({}),
    },
    objectFault("must be an object: { consumers, feeds, subscriptions }"),
  )
  .refine(
    ({ consumers, feeds, subscriptions }) =>
      [consumers, feeds, subscriptions].flatMap((stated) => Object.keys(stated)).length <= MOST_OBJECTIVES,
    `must have at most ${MOST_OBJECTIVES} objectives`,
  )
  .optional();

type StatedObjectives = z.output<typeof objectivesSchema>;

const seconds = (text: string | undefined): number | null =>
  text === undefined ? null : (parseDuration(text) ?? 0) / 1_000;

/**
 * The objectives that a configuration states for a store; null: it states none, and leaves those of the store as they are.
 * `tenant`: whose store it is; null: there are no tenants.
 */
export function objectivesOf(stated: StatedObjectives, tenant: string | null): readonly Objective[] | null {
  if (stated === undefined) return null;
  const list = (
    kind: ObjectiveKind,
    entries: Readonly<Record<string, z.output<typeof consumerSchema>>>,
    nameOf: (key: string) => string,
  ) =>
    Object.entries(entries)
      .filter(([, { tenant: own = tenant }]) => own === tenant)
      .map(([key, { lag, silent, contact = null, log = null }]): Objective => ({
        kind,
        name: nameOf(key),
        log,
        lagSeconds: seconds(lag),
        silentSeconds: seconds(silent),
        contact,
      }));
  return [
    ...list("consumer", stated.consumers, (name) => name),
    ...list("feed", stated.feeds, (version) => `/feeds/${version}`),
    ...list("subscription", stated.subscriptions, (id) => id),
  ];
}

/** Describes objectives of feeds and tenants that the configuration lacks. */
export function objectiveFaults(
  stated: StatedObjectives,
  feeds: readonly { readonly name: string; readonly version: number }[],
  tenants: readonly string[],
): string[] {
  if (stated === undefined) return [];
  const known = new Set(feeds.map(({ name, version }) => `${name}/v${version}`));
  const ofTenants = Object.entries(stated).flatMap(([kind, entries]) =>
    Object.entries(entries).map(([name, { tenant }]) => [`objectives.${kind}.${name}`, tenant] as const),
  );
  return [
    ...Object.keys(stated.feeds)
      .filter((version) => !known.has(version))
      .map((version) => `objectives.feeds.${version}: no such feed is configured`),
    ...ofTenants
      .filter(([, tenant]) => tenant !== undefined && !tenants.includes(tenant))
      .map(([path]) => `${path}.tenant: no such tenant is configured`),
  ];
}
