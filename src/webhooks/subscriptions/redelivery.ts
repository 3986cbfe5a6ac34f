import { type Actor, authorship, NOBODY } from "../../administration/actor.ts";
import { entry, recordEntries } from "../../administration/entry.ts";
import { KildeError } from "../../core/errors.ts";
import { integerAt, type Statement, type Value } from "../../storage/database.ts";
import { findSubject } from "../../log/read/subjects.ts";
import { beginRewind, retryBlocked, addSubjectRewinds, skipBlocked, type SubjectRewind } from "./change.ts";
import { deliveredFilter, subscriptionPath } from "./delivered-filter.ts";
import type { RegistryDeps } from "./registry-deps.ts";
import { type BlockedSubjectRow, listBlocked } from "./state.ts";
import type { SubscriptionRecord } from "./subscription.ts";
import { rewindStartOf, countRange, versionAfter, rewindFrom } from "./walk.ts";

/* Redelivers events, or skips them, on request. */

/** Most subjects that one request may name. */
export const MOST_SUBJECTS = 1_000;

export interface RewindRequest {
  /** Events after this position; 0: from the beginning. */
  readonly after: number;
  /** Events up to this position; null: all delivered ones. */
  readonly upTo: number | null;
  /** Null: all subjects. */
  readonly subjects: readonly string[] | null;
  /** Only counts. */
  readonly dryRun: boolean;
}

/** How much is, or would be, redelivered. */
export interface RedeliveryResult {
  readonly events: number;
  readonly subjects: number;
}

export type RedeliveryDeps = Pick<RegistryDeps, "database" | "writer" | "clock" | "onChange">;

async function rewindSubjects(
  deps: RedeliveryDeps,
  subscription: SubscriptionRecord,
  names: readonly string[],
  { after, upTo, dryRun }: { readonly after: number; readonly upTo: number; readonly dryRun: boolean },
  recorded: readonly Statement[],
): Promise<RedeliveryResult> {
  const { id, log, cursor } = subscription;
  const filter = deliveredFilter(subscription);
  const walk = { database: deps.database, log, filter };
  const rewinds: SubjectRewind[] = [];
  let events = 0;
  for (const name of new Set(names)) {
    if (!name.startsWith(filter.subjectPrefix ?? "") || name === filter.exceptSubject) continue;
    const subject = await findSubject(deps.database, log, name);
    const beginning = subject === null ? null : await rewindStartOf(walk, subject.id, { after, upTo });
    if (subject === null || beginning === null) continue;
    const range = await rewindFrom(walk, beginning, { upTo, present: cursor }, false);
    const resume = await versionAfter(walk, subject.id, cursor);
    rewinds.push({ subject: subject.id, next: range.next, stop: range.stop, resume });
    const args: Value[] = [subject.id, range.next, range.stop ?? resume - 1];
    const types = filter.types === undefined ? null : JSON.stringify(filter.types);
    const ofType = types === null ? "" : `and type in (select value from json_each(?${args.push(types)}))`;
    const [row] = await deps.database.read({
      sql: `select count(*) from events where subject = ?1 and version between ?2 and ?3 ${ofType}`,
      args,
    });
    events += integerAt(row, 0);
  }
  if (!dryRun && rewinds.length > 0) await addSubjectRewinds(deps.writer, id, rewinds, recorded);
  return { events, subjects: rewinds.length };
}

/** Redelivers events, in order for each subject, while new events continue to be delivered. Throws `invalid-body`. */
export async function rewind(
  deps: RedeliveryDeps,
  subscription: SubscriptionRecord,
  { after, upTo: asked, subjects, dryRun }: RewindRequest,
  actor: Actor = NOBODY,
): Promise<RedeliveryResult> {
  const { id, log, cursor, config } = subscription;
  if (config.mode.kind === "doorbell") {
    const detail = "A doorbell delivers no events that could be delivered again: its receiver reads them";
    throw new KildeError("invalid-body", detail, { errors: [{ pointer: "", detail }] });
  }
  // Events after the cursor are still to be delivered anyway.
  const upTo = Math.min(asked ?? cursor, cursor);
  if (after > cursor) {
    const detail = `after is ${after}, but the subscription is at ${cursor}`;
    throw new KildeError("invalid-body", detail, { errors: [{ pointer: "/after", detail }] });
  }
  if (asked !== null && asked < after) {
    const detail = `upTo is ${asked}, which is before ${after}`;
    throw new KildeError("invalid-body", detail, { errors: [{ pointer: "/upTo", detail }] });
  }
  const data = {
    ...authorship(actor),
    after,
    upTo,
    subjects: subjects === null ? null : [...new Set(subjects)],
  };
  const rewound = entry(subscriptionPath(id), "kilde.subscription.rewound", data);
  const recorded = recordEntries([rewound], new Date(deps.clock.now()).toISOString(), "changed");
  if (subjects !== null) {
    const range = { after, upTo, dryRun };
    const counted = await rewindSubjects(deps, subscription, subjects, range, recorded);
    if (!dryRun) deps.onChange(id);
    return counted;
  }
  const filter = deliveredFilter(subscription);
  const counted = await countRange({ database: deps.database, log, filter }, { after, upTo });
  if (!dryRun && counted.events > 0) {
    await beginRewind(deps.database, deps.writer, { id, after, upTo }, recorded);
    deps.onChange(id);
  }
  return counted;
}

async function blockedSubject(
  { database }: RedeliveryDeps,
  subscription: SubscriptionRecord,
  name: string,
): Promise<BlockedSubjectRow> {
  const [found] = await listBlocked(database, subscription, { cursor: "", limit: 1, name });
  if (found !== undefined) return found;
  throw new KildeError("subject-not-blocked", `${JSON.stringify(name)} is not blocked in ${subscription.id}`);
}

/** Retries the event that blocks a subject at once. Throws `subject-not-blocked`. */
export async function retrySubject(
  deps: RedeliveryDeps,
  subscription: SubscriptionRecord,
  name: string,
): Promise<void> {
  const { lane } = await blockedSubject(deps, subscription, name);
  await retryBlocked(deps.writer, { id: subscription.id, subject: lane.subject });
  deps.onChange(subscription.id);
}

/** Skips the event that blocks a subject, and records it. Returns its version. Throws `subject-not-blocked`. */
export async function skipEvent(
  deps: RedeliveryDeps,
  subscription: SubscriptionRecord,
  name: string,
  stated: number | null,
  actor: Actor = NOBODY,
): Promise<number> {
  const { lane, version } = await blockedSubject(deps, subscription, name);
  const wrong = () =>
    new KildeError(
      "subject-not-blocked",
      `${JSON.stringify(name)} waits for another event than ${stated ?? version} by now`,
    );
  if (stated !== null && stated !== version) throw wrong();
  const now = new Date(deps.clock.now()).toISOString();
  const { id, log } = subscription;
  const data = { ...authorship(actor), source: log.name, subject: name, version };
  const recorded = recordEntries(
    [entry(subscriptionPath(id), "kilde.subject.skipped", data)],
    now,
    "changed",
  );
  if (!(await skipBlocked(deps.writer, { id, subject: lane.subject, version, now }, recorded))) throw wrong();
  deps.onChange(id);
  return version;
}
