import { z } from "zod";

/*
 * The data of alarms about objectives.
 */

const seconds = z.number().min(0);

const principal = z.null().describe("Kilde made the change");

const contact = z
  .string()
  .nullable()
  .describe("Whom the alarm is for, as the objective states; null: it states nobody");

/** An alarm: an objective is missed. */
export const ALARM = z.strictObject({
  principal,
  contact,
  objectiveSeconds: seconds.describe("The objective, in seconds"),
  measuredSeconds: seconds.describe("The measured value, in seconds"),
});

/** An alarm: a consumer neither reads nor commits. */
export const CONSUMER_SILENT = ALARM.extend({
  seen: z
    .string()
    .nullable()
    .optional()
    .describe(
      "When it last read or committed, RFC 3339; null: it has never read, or was forgotten; absent in entries of earlier versions",
    ),
});

/** The figures of the end of an alarm. */
export const END_FIGURES = {
  contact,
  objectiveSeconds: seconds
    .nullable()
    .describe("The objective, in seconds; null: it is no longer stated, or its resource no longer exists"),
  measuredSeconds: seconds.nullable().describe("The measured value, in seconds; null: as above"),
};

/** The end of an alarm: the objective is met again. */
export const ALARM_END = z.strictObject({
  principal,
  from: z.enum(["late", "silent"]).describe("The alarm that ends"),
  ...END_FIGURES,
});

/** The contact in an alarm that needs no objective. */
export const STATED_CONTACT = z
  .string()
  .optional()
  .describe("Whom the alarm is for, if an objective of the feed or subscription states it");
