import type { SubjectInfo } from "../client/index.ts";
import type { ConsumerDeps } from "./deps.ts";
import { compareNames } from "./name-order.ts";
import type { Side } from "./side.ts";

/**
 * Differences between the versions; the old version can be dropped when each list is empty. The first 1,000 of each.
 */
export interface Agreement {
  readonly agrees: boolean;
  readonly subjects: number;
  /** Subjects that only one of the versions has, or that only one of them has erased. */
  readonly onlyOld: readonly string[];
  readonly onlyNew: readonly string[];
  readonly erasedInOne: readonly string[];
  /** Subjects that the old version still handles. */
  readonly unswitched: readonly string[];
  /** Subjects with unhandled events of the new version. */
  readonly lacking: readonly string[];
}

/** Most subjects of each list. */
const MOST_LISTED = 1_000;

type Differences = Record<Exclude<keyof Agreement, "agrees" | "subjects">, string[]>;

/** Subjects of a log in order of name. */
async function* subjectsOf<Tx>({
  client,
  log,
}: ConsumerDeps<Tx>): AsyncGenerator<SubjectInfo, void, undefined> {
  for await (const page of client.subjectPages(log === null ? {} : { feed: log })) yield* page;
}

/** Subjects of two logs side by side, in order of name; null where one of them does not have the subject. */
async function* pairsOf<Tx>(
  one: ConsumerDeps<Tx>,
  other: ConsumerDeps<Tx>,
): AsyncGenerator<readonly [SubjectInfo | null, SubjectInfo | null], void, undefined> {
  const [ones, others] = [subjectsOf(one), subjectsOf(other)];
  let [left, right] = [await ones.next(), await others.next()];
  while (left.done !== true || right.done !== true) {
    const [mine, its] = [left.value ?? null, right.value ?? null];
    const order = mine === null ? 1 : its === null ? -1 : compareNames(mine.subject, its.subject);
    yield [order <= 0 ? mine : null, order >= 0 ? its : null];
    if (order <= 0) left = await ones.next();
    if (order >= 0) right = await others.next();
  }
}

/** Compares two versions of a feed with each other and with the handled events. */
export async function checkAgreement<Tx>(before: Side<Tx>, after: Side<Tx>): Promise<Agreement> {
  const { store } = after.deps;
  const lists: Differences = { onlyOld: [], onlyNew: [], erasedInOne: [], unswitched: [], lacking: [] };
  const note = (list: keyof Differences, name: string) => {
    if (lists[list].length < MOST_LISTED) lists[list].push(name);
  };
  let subjects = 0;
  for await (const [one, other] of pairsOf(before.deps, after.deps)) {
    subjects += 1;
    if (other === null) {
      if (one !== null) note("onlyOld", one.subject);
      continue;
    }
    const { subject } = other;
    if (one === null) {
      note("onlyNew", subject);
      continue;
    }
    if (one.erased !== other.erased) note("erasedInOne", subject);
    const [mine] = await store.readSubjects(after.deps.key, [subject]);
    const [old] = await store.readSubjects(before.deps.key, [subject]);
    // Events from before the consumer's start do not count.
    const isBefore = mine === undefined && other.position <= after.engine.since();
    if (old !== undefined && old.status !== "released") note("unswitched", subject);
    else if (!isBefore && (mine?.version ?? 0) < other.version) note("lacking", subject);
  }
  return { agrees: Object.values(lists).every((list) => list.length === 0), subjects, ...lists };
}
