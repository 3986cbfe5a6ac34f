import { appendBatch, appendedIn, type LogAppend } from "./append-batch.ts";
import type { RecordRemovals, StreamRemoval } from "../erase/stream-removal.ts";
import { ABSENT, assumedState, assumeVersions, GROUPS_TO_READ } from "./assumptions.ts";
import * as sql from "./lookups.ts";
import { tombstoneReason } from "../erase/tombstone-reason.ts";
import type { Database, Statement } from "../../storage/database.ts";
import { isRenewed, renewedError, storageFailure } from "../../storage/failures.ts";
import type { LogAddress } from "../keys.ts";
import { type LogState, readLogState } from "../log-state.ts";
import type { SubjectState } from "./placement.ts";
import { type Plan, planGroup, type Transaction } from "./plan.ts";
import type { SubjectCache } from "./subject-cache.ts";

/** Expired idempotency keys that one commit deletes, at least. */
const FORGET_BATCH = 200;

/** Expired keys that are deleted for each new one, so that deleting keeps up. */
const FORGOTTEN_PER_KEY = 2;

const FORGET_AFTER_KEYS = 100;
const FORGET_AFTER_MS = 1_000;

/** When this process deletes expired keys again: after so many new ones, or so long. Looking for them reads the oldest rows. */
export interface KeyForgetting {
  keys: number;
  /** By the wall clock, which may be corrected in either direction. */
  lastMs: number;
}

/** Counts new keys; returns how many expired ones the commit deletes at most. */
function countForgotten(forgetting: KeyForgetting, keys: number, nowMs: number): number {
  forgetting.keys += keys;
  const isDue =
    forgetting.keys >= FORGET_AFTER_KEYS || Math.abs(nowMs - forgetting.lastMs) >= FORGET_AFTER_MS;
  if (!isDue) return 0;
  const count = Math.max(FORGET_BATCH, FORGOTTEN_PER_KEY * forgetting.keys);
  Object.assign(forgetting, { keys: 0, lastMs: nowMs } satisfies KeyForgetting);
  return count;
}

export interface GroupDeps {
  readonly database: Database;
  readonly log: LogAddress;
  readonly cache: SubjectCache<SubjectState>;
  /**
   * Identity of the log that the cache belongs to; null: it is looked up, and the cache is empty. `groupsToRead`: groups
   * for which subjects and keys are read, since an assumption about them has failed.
   */
  readonly known: { identity: string | null; groupsToRead: number };
  readonly forgetting: KeyForgetting;
  readonly recordRemovals: RecordRemovals;
}

/** Discards what a plan that was not written rested on. */
export function forgetPlanned(
  { cache, known }: GroupDeps,
  transactions: readonly Transaction[],
  { assumes }: Plan,
  error: unknown,
): void {
  if (isRenewed(error)) {
    cache.clear();
    known.identity = null;
  }
  for (const { parts } of transactions) for (const { subject } of parts) cache.delete(subject);
  if (assumes && storageFailure(error) === "conflict") known.groupsToRead = GROUPS_TO_READ;
}

/** The identity to plan on. It is read before the subjects, so that the commit proves them with it. */
async function planningIdentity({ database, log, known }: GroupDeps): Promise<string> {
  return (known.identity ??= (await readLogState(database, log)).identity);
}

async function readStates(
  { database, log }: GroupDeps,
  names: ReadonlySet<string>,
): Promise<Map<string, SubjectState>> {
  return names.size === 0
    ? new Map()
    : sql.subjectStates(await database.read(sql.selectSubjects(log, [...names])));
}

async function readAnswers({ database }: GroupDeps, transactions: readonly Transaction[]) {
  const keys = transactions.flatMap(({ idempotency }) => (idempotency === null ? [] : [idempotency.key]));
  return keys.length === 0 ? new Map() : sql.firstAnswers(await database.read(sql.selectKeys(keys)));
}

/** Subjects of the transactions for which `is` holds. */
function subjectsThat(is: (name: string) => boolean, transactions: readonly Transaction[]): Set<string> {
  const names = new Set<string>();
  for (const { parts } of transactions) for (const { subject } of parts) if (is(subject)) names.add(subject);
  return names;
}

/**
 * Plans on the cached subjects, and reads those named. Keys are read after subjects: a retry that
 * races its original elsewhere must not meet its events without its key.
 */
async function planReading(
  deps: GroupDeps,
  identity: string,
  transactions: readonly Transaction[],
  names: ReadonlySet<string>,
  cached: (name: string) => SubjectState | undefined,
): Promise<Plan> {
  const states = await readStates(deps, names);
  const answers = await readAnswers(deps, transactions);
  return planGroup(
    transactions,
    (name) => cached(name) ?? states.get(name) ?? ABSENT,
    (key) => answers.get(key),
    identity,
  );
}

/**
 * Plans on the cached subjects, and assumes that others are as the appends expect and that keys are new. Null when that
 * may be wrong: a refusal must not rest on an assumption, and only a batch proves one.
 */
async function planAssuming(
  deps: GroupDeps,
  identity: string,
  transactions: readonly Transaction[],
  missing: ReadonlySet<string>,
): Promise<Plan | null> {
  if (deps.known.groupsToRead > 0) {
    deps.known.groupsToRead -= 1;
    return null;
  }
  const { assumed, toRead } = assumeVersions(transactions, missing);
  const states = await readStates(deps, toRead);
  const plan = planGroup(
    transactions,
    (name) => deps.cache.get(name) ?? assumedState(assumed, name) ?? states.get(name) ?? ABSENT,
    () => undefined,
    identity,
    assumed,
  );
  return plan.events.length === 0 || plan.decisions.some(({ kind }) => kind === "refuse") ? null : plan;
}

/**
 * Plans a group that is to be written behind one that is under way: on the cache, where subjects are as that one will
 * leave them, and on what it does not touch. Null when that is not enough. A key that it has taken collides in
 * the database.
 */
export async function planBehind(
  deps: GroupDeps,
  transactions: readonly Transaction[],
  underWay: readonly Transaction[],
): Promise<Plan | null> {
  const { identity } = deps.known;
  if (identity === null) return null;
  const cached = (name: string) => deps.cache.get(name);
  const missing = subjectsThat((name) => cached(name) === undefined, transactions);
  if (missing.size > 0 && subjectsThat((name) => missing.has(name), underWay).size > 0) return null;
  const assuming = await planAssuming(deps, identity, transactions, missing);
  if (assuming !== null) return assuming;
  const plan = await planReading(deps, identity, transactions, missing, cached);
  return plan.decisions.some(({ kind }) => kind === "refuse") ? null : plan;
}

/**
 * Plans a group from the cache, and reads only the subjects that the cache lacks. A refusal must not rest on the cache,
 * which another process may have outdated: it reads all subjects then, and plans the group again.
 */
export async function preparePlan(deps: GroupDeps, transactions: readonly Transaction[]): Promise<Plan> {
  const identity = await planningIdentity(deps);
  const cached = (name: string) => deps.cache.get(name);
  const missing = subjectsThat((name) => cached(name) === undefined, transactions);
  const assuming = await planAssuming(deps, identity, transactions, missing);
  if (assuming !== null) return assuming;
  const plan = await planReading(deps, identity, transactions, missing, cached);
  const restsOnCache = plan.decisions.some(
    (decision) => decision.kind === "refuse" && !decision.basis.every((name) => missing.has(name)),
  );
  if (!restsOnCache) return plan;
  const all = subjectsThat(() => true, transactions);
  return planReading(deps, identity, transactions, all, () => undefined);
}

function keyRows(transactions: readonly Transaction[], plan: Plan) {
  return transactions.flatMap(({ idempotency }, index) => {
    const decision = plan.decisions[index];
    if (idempotency === null || decision?.kind !== "append") return [];
    return [[idempotency.key, idempotency.fingerprint, sql.storedResults(decision.results)]];
  });
}

function keyStatements(
  { log, forgetting }: GroupDeps,
  { rows, unread }: { readonly rows: ReturnType<typeof keyRows>; readonly unread: Plan["unread"] },
  { nowMs, forgetBeforeMs }: CommitTimes,
): Statement[] {
  if (rows.length === 0) return [];
  const insert = {
    sql: unread.size === 0 ? sql.INSERT_KEYS : sql.INSERT_KEYS_OF_UNREAD,
    args: [log.id, new Date(nowMs).toISOString(), JSON.stringify(rows)],
  };
  const count = countForgotten(forgetting, rows.length, nowMs);
  if (count === 0) return [insert];
  return [{ sql: sql.FORGET_KEYS, args: [new Date(forgetBeforeMs).toISOString(), count] }, insert];
}

/** The erasures of a plan, as they are recorded. */
function removalsOf(transactions: readonly Transaction[], { decisions }: Plan): StreamRemoval[] {
  return transactions.flatMap(({ parts, by = null }, index) => {
    if (decisions[index]?.kind !== "append") return [];
    return parts.flatMap(({ subject, events, erases }) =>
      erases ? [{ stream: subject, before: null, reason: tombstoneReason(events.at(-1)), by }] : [],
    );
  });
}

/** Appends that erase nothing get no further statements. */
function removalStatements(
  { recordRemovals }: GroupDeps,
  transactions: readonly Transaction[],
  plan: Plan,
  now: string,
): Statement[] {
  if (plan.tombstones.length === 0) return [];
  return recordRemovals(removalsOf(transactions, plan), now, "always");
}

export interface CommittedGroup {
  /** Head before the group's first event. */
  readonly base: number;
  /** The log after the commit. */
  readonly log: LogState;
  readonly ids: ReadonlyMap<string, number>;
  /** As in `WrittenAppend`. */
  readonly versionsBefore: ReadonlyMap<string, number>;
}

/** Proves the identity of a plan that has nothing to write. Fails as a `conflict` when the log has another. */
async function proveIdentity({ database, log }: GroupDeps, { identity }: Plan): Promise<CommittedGroup> {
  const state = await readLogState(database, log);
  if (state.identity !== identity) throw renewedError(log.name);
  return { base: state.head, log: state, ids: new Map(), versionsBefore: new Map() };
}

export interface CommitTimes {
  /** The wall clock. */
  readonly nowMs: number;
  /** Idempotency keys that were recorded before are forgotten. */
  readonly forgetBeforeMs: number;
}

/** Writes a plan in one transaction. Fails as a `conflict` when the plan is outdated. */
export async function commitPlan(
  deps: GroupDeps,
  transactions: readonly Transaction[],
  plan: Plan,
  times: CommitTimes,
): Promise<CommittedGroup> {
  if (plan.events.length === 0) return proveIdentity(deps, plan);
  const { database, log } = deps;
  const now = new Date(times.nowMs).toISOString();
  const append: LogAppend = {
    log,
    identity: plan.identity,
    now,
    placed: plan,
    unread: plan.unread,
    fence: [],
    withSubjects: [],
    withEvents: [
      ...keyStatements(deps, { rows: keyRows(transactions, plan), unread: plan.unread }, times),
      ...removalStatements(deps, transactions, plan, now),
    ],
  };
  const { ids, versionsBefore, log: state } = appendedIn(append, await database.write(appendBatch(append)));
  if (state === null) throw new Error("a group with events has appended none");
  return { base: state.head - plan.events.length, log: state, ids, versionsBefore };
}
