import { z } from "zod";

import { ALARM, ALARM_END, CONSUMER_SILENT, END_FIGURES, STATED_CONTACT } from "./alarm-data.ts";

/*
 * The catalog of the entries in the log of administration. The subject of an entry is the path of the resource that was
 * changed. Entries name streams, subjects and principals, and hold no data of events, so an erasure leaves them as they are.
 */

/** The author of the change. */
const principal = z
  .string()
  .nullable()
  .describe(
    "Name of the principal who made the change; null: Kilde itself, or a store without access control",
  );

/** The author of a change, and why. */
const author = {
  principal,
  reason: z
    .string()
    .optional()
    .describe("Why, as the request stated in `Kilde-Reason`; absent where it stated no reason"),
};

const statedReason = z.string().nullable().describe("Why; null: the request stated no reason");

const noOne = z.null().describe("Kilde made the change");

const keyName = z.string().describe("Name of the key");

/** One subject, or several that were counted. */
const ofSubscription = {
  source: z.string().describe("Path of the log that the subscription delivers"),
  subject: z.string().nullable().describe("The subject; null: several subjects, which `count` counts"),
  count: z.int().min(1).describe("Number of subjects"),
};

/** Describes an entry type. */
interface EntryDescription {
  /** The change that the entry records. */
  readonly meaning: string;
  /** Path of the resource. */
  readonly subject: string;
  readonly data: z.ZodObject;
}

/** Every type of entry, with the schema of its data. */
export const ENTRY_TYPES = {
  "kilde.key.created": {
    meaning: "An API key was created",
    subject: "/keys/{key}",
    data: z.strictObject({
      ...author,
      name: keyName,
      grants: z.array(z.string()),
      consumer: z.string().nullable().describe("The consumer that it reads and commits as"),
    }),
  },
  "kilde.key.rotated": {
    meaning: "An API key was replaced by another one",
    subject: "/keys/{key}",
    data: z.strictObject({ ...author, name: keyName, successor: z.string().describe("Id of the new key") }),
  },
  "kilde.key.revoked": {
    meaning: "An API key was revoked",
    subject: "/keys/{key}",
    data: z.strictObject({ ...author, name: keyName }),
  },
  "kilde.access.denied": {
    meaning:
      "Requests of senders with valid credentials were denied, for lack of a grant; at most one entry a minute",
    subject: "/keys",
    data: z.strictObject({
      principal: z.string().describe("Name of the sender of the latest one"),
      needs: z.string().describe("The grant that it lacked"),
      count: z.int().min(1).describe("Number of denied requests since the last entry, of all senders"),
    }),
  },
  "kilde.stream.truncated": {
    meaning: "Events of a stream below a version were removed",
    subject: "/streams/{stream}",
    data: z.strictObject({
      principal,
      reason: statedReason,
      before: z.int().min(1).describe("The first version that stays"),
    }),
  },
  "kilde.stream.erased": {
    meaning: "A stream was erased",
    subject: "/streams/{stream}",
    data: z.strictObject({ principal, reason: statedReason }),
  },
  "kilde.feed.live": {
    meaning: "A feed was built and is live",
    subject: "/feeds/{feed}/v{version}",
    data: z.strictObject({ principal: noOne }),
  },
  "kilde.feed.halted": {
    meaning: "The projection of a feed failed at an event",
    subject: "/feeds/{feed}/v{version}",
    data: z.strictObject({
      principal: noOne,
      position: z.int().describe("Position of the event in the feed's source"),
      subject: z.string().describe("Subject of the event"),
      contact: STATED_CONTACT,
    }),
  },
  "kilde.feed.resumed": {
    meaning: "A halted feed tries again",
    subject: "/feeds/{feed}/v{version}",
    data: z.strictObject(author),
  },
  "kilde.feed.rebuilt": {
    meaning: "A draft is emptied and built again",
    subject: "/feeds/{feed}/v{version}",
    data: z.strictObject({
      principal,
      reason: z
        .string()
        .nullable()
        .describe("`definition changed`, or as requested; null: the request stated no reason"),
    }),
  },
  "kilde.feed.late": {
    meaning: "A feed is behind its source for longer than its objective allows",
    subject: "/feeds/{feed}/v{version}",
    data: ALARM,
  },
  "kilde.feed.silent": {
    meaning: "A feed has published nothing for longer than its objective allows",
    subject: "/feeds/{feed}/v{version}",
    data: ALARM,
  },
  "kilde.feed.recovered": {
    meaning: "A feed meets an objective again that it missed",
    subject: "/feeds/{feed}/v{version}",
    data: ALARM_END,
  },
  "kilde.feed.retired": {
    meaning: "A version of a feed was retired",
    subject: "/feeds/{feed}/v{version}",
    data: z.strictObject({
      ...author,
      forced: z.boolean().describe("Whether it was retired while it might still be read or delivered"),
    }),
  },
  "kilde.subject.blocked": {
    meaning: "An endpoint rejected an event, which blocks its subject",
    subject: "/subscriptions/{subscription}",
    data: z.strictObject({ principal: noOne, ...ofSubscription, contact: STATED_CONTACT }),
  },
  "kilde.subject.healed": {
    meaning: "An endpoint accepted the event that blocked a subject",
    subject: "/subscriptions/{subscription}",
    data: z.strictObject({ principal: noOne, ...ofSubscription, contact: STATED_CONTACT }),
  },
  "kilde.subject.skipped": {
    meaning: "The event that blocked a subject was skipped",
    subject: "/subscriptions/{subscription}",
    data: z.strictObject({
      ...author,
      source: ofSubscription.source,
      subject: z.string(),
      version: z.int().describe("Version of the event"),
    }),
  },
  "kilde.subscription.created": {
    meaning: "A subscription was created",
    subject: "/subscriptions/{subscription}",
    data: z.strictObject({ ...author, source: ofSubscription.source }),
  },
  "kilde.subscription.changed": {
    meaning: "The configuration or a secret of a subscription was changed",
    subject: "/subscriptions/{subscription}",
    data: z.strictObject({
      ...author,
      changed: z.array(z.string()).describe("Names of the changed members, such as `url` or `secret`"),
    }),
  },
  "kilde.subscription.paused": {
    meaning: "A subscription was paused",
    subject: "/subscriptions/{subscription}",
    data: z.strictObject({
      principal,
      reason: z
        .string()
        .describe(
          "`gone`: the endpoint answered 410; `source retired`; `creator may no longer read the source`; or as requested",
        ),
    }),
  },
  "kilde.subscription.resumed": {
    meaning: "A subscription was resumed",
    subject: "/subscriptions/{subscription}",
    data: z.strictObject(author),
  },
  "kilde.subscription.rewound": {
    meaning: "Events of a subscription are delivered again",
    subject: "/subscriptions/{subscription}",
    data: z.strictObject({
      ...author,
      after: z.int().describe("Events after this position"),
      upTo: z.int().describe("Events up to this position"),
      subjects: z.array(z.string()).nullable().describe("Only of these subjects; null: of all"),
    }),
  },
  "kilde.subscription.removed": {
    meaning: "A subscription was removed",
    subject: "/subscriptions/{subscription}",
    data: z.strictObject({ ...author, source: ofSubscription.source }),
  },
  "kilde.subscription.down": {
    meaning: "The endpoint of a subscription is down",
    subject: "/subscriptions/{subscription}",
    data: z.strictObject({ principal: noOne, reason: z.string(), contact: STATED_CONTACT }),
  },
  "kilde.subscription.late": {
    meaning: "A subscription has an event to deliver for longer than its objective allows",
    subject: "/subscriptions/{subscription}",
    data: ALARM,
  },
  "kilde.subscription.silent": {
    meaning: "A subscription has delivered nothing for longer than its objective allows",
    subject: "/subscriptions/{subscription}",
    data: ALARM,
  },
  "kilde.subscription.recovered": {
    meaning:
      "The endpoint of a subscription accepts deliveries again, or the subscription meets an objective again that it missed",
    subject: "/subscriptions/{subscription}",
    data: z.strictObject({
      principal: noOne,
      from: z
        .enum(["down", "late", "silent"])
        .optional()
        .describe("The alarm that ends; absent in entries of earlier versions: `down`"),
      contact: END_FIGURES.contact.optional(),
      objectiveSeconds: END_FIGURES.objectiveSeconds.optional(),
      measuredSeconds: END_FIGURES.measuredSeconds.optional(),
    }),
  },
  "kilde.consumer.late": {
    meaning: "A consumer has an event to handle for longer than its objective allows",
    subject: "{log}/consumers/{consumer}",
    data: ALARM,
  },
  "kilde.consumer.silent": {
    meaning:
      "A consumer has neither read nor committed for longer than its objective allows. `/consumers/{consumer}` is the subject where the objective names no log, and the consumer has read none",
    subject: "{log}/consumers/{consumer}",
    data: CONSUMER_SILENT,
  },
  "kilde.consumer.recovered": {
    meaning: "A consumer meets an objective again that it missed",
    subject: "{log}/consumers/{consumer}",
    data: ALARM_END,
  },
  "kilde.consumer.rewound": {
    meaning: "A consumer committed a lower position than before",
    subject: "{log}/consumers/{consumer}",
    data: z.strictObject({
      ...author,
      from: z.int().describe("Position that it had committed"),
      to: z.int().describe("Position that it committed now"),
    }),
  },
  "kilde.consumer.forgotten": {
    meaning: "A consumer was forgotten, with its position",
    subject: "{log}/consumers/{consumer}",
    data: z.strictObject(author),
  },
  "kilde.log.restored": {
    meaning: "A log was restored, or got a new identity",
    subject: "{log}",
    data: z.strictObject({
      principal: noOne,
      identity: z.string().describe("Identity of the log since then"),
    }),
  },
} as const satisfies Readonly<Record<`kilde.${string}`, EntryDescription>>;

export type EntryType = keyof typeof ENTRY_TYPES;

/** Data of an entry of a type. */
export type EntryData<Type extends EntryType> = z.output<(typeof ENTRY_TYPES)[Type]["data"]>;
