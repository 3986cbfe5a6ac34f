import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import type { Database } from "../../../src/storage/database.ts";
import { retryBlocked, setPaused, skipBlocked } from "../../../src/webhooks/subscriptions/change.ts";
import { readLanes, readSubscription } from "../../../src/webhooks/subscriptions/record.ts";
import { rewind } from "../../../src/webhooks/subscriptions/redelivery.ts";
import { openSubscriptions } from "../../../src/webhooks/subscriptions/subscriptions.ts";
import type { ComposedStore } from "../../support/open-store.ts";
import type { Model } from "./model.ts";
import { SEAL } from "./nodes.ts";
import { nameOf, SUBSCRIPTION, type World } from "./world.ts";

/** An administrator who changes the subscription while it is delivered. */
export interface Administration {
  /**
   * Makes one random change: pauses, rewinds, retries, skips, patches or rotates the secret. False: no subject is
   * blocked.
   */
  change(): Promise<boolean>;
  /** Resumes the subscription if it is paused, as after an answer of 410. */
  resume(): Promise<void>;
}

/** Opens an administrator on the database that all nodes share. */
export function openAdministration(
  { options, time, chance, upTo, faults }: World,
  database: Database,
  { writer }: Pick<ComposedStore, "writer">,
  model: Model,
): Administration {
  const now = () => new Date(time.now()).toISOString();
  const redelivery = { database, writer, clock: time.clock(0), onChange: () => {} };
  const subscriptions = openSubscriptions({
    ...redelivery,
    limits: DEFAULT_LIMITS,
    seal: SEAL,
    send: () => Promise.reject(new Error("nobody asks for consent")),
    isServed: () => Promise.resolve(true),
  });

  const pause = async () => {
    await setPaused(writer, { id: SUBSCRIPTION, reason: "asked", now: now() });
    await time.runUntil(time.now() + upTo(3_000));
    await setPaused(writer, { id: SUBSCRIPTION, reason: null, now: now() });
  };

  /** Rewinds a range, or some subjects; everything that the rewind counts has to be delivered. */
  const rewindSome = async () => {
    const found = await subscriptions.get(SUBSCRIPTION);
    if (found.config.mode.kind === "doorbell" || found.cursor === 0) return;
    const after = upTo(found.cursor);
    const end = chance() < 0.3 ? null : after + upTo(found.cursor - after + 1);
    const [one, other] = [nameOf(upTo(options.subjects)), nameOf(upTo(options.subjects))];
    const subjects = chance() < 0.3 ? [one, other] : null;
    const counted = await rewind(redelivery, found, { after, upTo: end, subjects, dryRun: false });
    const again = model.positions
      .slice(after, end ?? found.cursor)
      .filter(({ subject, version }) => {
        const isNamed = subjects?.includes(subject) ?? true;
        return isNamed && model.isSelected(subject, version);
      })
      .map(({ subject, version }) => `${subject} ${version}`);
    if (counted.events < again.length)
      faults.push(`a rewind of ${again.length} events counted ${counted.events}`);
    for (const event of again) model.owedAgain.add(event);
  };

  const rotate = async () => {
    const overlapSeconds = [0, 3, 60][upTo(3)] ?? 0;
    const { secret } = await subscriptions.rotateSecret(SUBSCRIPTION, { secret: null, overlapSeconds });
    const sinceMs = time.now();
    for (const one of model.secrets) one.endsMs = Math.min(one.endsMs, sinceMs + overlapSeconds * 1_000);
    model.secrets.push({ text: secret ?? "", sinceMs, endsMs: Number.POSITIVE_INFINITY });
  };

  const patch = async () => {
    if (chance() < 0.2) return rotate();
    const filters = [{}, { types: ["A"] }, { subjectPrefix: "s-" }, { types: ["A"], subjectPrefix: "s-" }];
    const modes = [
      { kind: "single" },
      { kind: "batch", events: 1 + upTo(12), bytes: 200 + upTo(3_000) },
      { kind: "doorbell" },
    ] as const;
    await subscriptions.change(SUBSCRIPTION, {
      configFor({ config, rewind: underWay }) {
        const part = upTo(5);
        const mode = modes[upTo(underWay === null ? 3 : 2)] ?? options.mode;
        if (part === 0) return { ...config, mode };
        if (part === 1) return { ...config, filter: filters[upTo(4)] ?? {} };
        if (part === 2) return { ...config, url: `https://receiver.example/hook-${upTo(9)}` };
        if (part === 3) return { ...config, concurrency: 1 + upTo(16) };
        return { ...config, description: `change ${upTo(99)}` };
      },
      headers: null,
      creator: null,
    });
  };

  const skip = async (subjectId: number, next: number): Promise<boolean> => {
    const [row] = await database.read({ sql: "select name from subjects where id = ?", args: [subjectId] });
    const subject = String(row?.[0]);
    const version = model.selectedFrom(subject, next);
    if (version === undefined) return false;
    model.skip(subject, version);
    const skipped = { id: SUBSCRIPTION, subject: subjectId, version, now: now() };
    if (await skipBlocked(writer, skipped)) model.owedAgain.delete(`${subject} ${version}`);
    else model.unskip(subject, version);
    return true;
  };

  /** Retries or skips for a subject that is blocked; false: none is. */
  const unblock = async (retries: boolean): Promise<boolean> => {
    const lanes = (await Array.fromAsync(readLanes(database, SUBSCRIPTION))).flat();
    const blocked = lanes.filter(({ attempts }) => attempts > 0);
    const lane = blocked[upTo(blocked.length)];
    if (lane === undefined) return false;
    if (!retries) return skip(lane.subject, lane.next);
    await retryBlocked(writer, { id: SUBSCRIPTION, subject: lane.subject });
    return true;
  };

  return {
    async change() {
      const kind = options.changes ? upTo(options.patches ? 7 : 5) : 5;
      if (kind !== 0 && kind !== 1 && kind !== 5) return unblock(kind !== 4);
      if (kind === 0) await pause();
      else if (kind === 1) await rewindSome();
      else await patch();
      return true;
    },
    async resume() {
      const subscription = await readSubscription(database, SUBSCRIPTION);
      if (subscription?.status === "paused")
        await setPaused(writer, { id: SUBSCRIPTION, reason: null, now: now() });
    },
  };
}
