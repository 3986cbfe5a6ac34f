import { jsonText } from "../../src/core/json.ts";
import type { Clock } from "../../src/core/clock.ts";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import {
  addSubscription,
  retryBlocked,
  setPaused,
  skipBlocked,
} from "../../src/webhooks/subscriptions/change.ts";
import { readLanes, readSubscription } from "../../src/webhooks/subscriptions/record.ts";
import { rewind } from "../../src/webhooks/subscriptions/redelivery.ts";
import { openSecrets } from "../../src/webhooks/subscriptions/secrets.ts";
import { openSubscriptions } from "../../src/webhooks/subscriptions/subscriptions.ts";
import { type Delivering, deliver, type DeliverOptions } from "../../src/webhooks/dispatch/run.ts";
import { deliverInSlices } from "../../src/webhooks/dispatch/slice.ts";
import type { EndpointAnswer, Outgoing } from "../../src/webhooks/egress/outgoing.ts";
import type { DeliveryMode, StoredLane } from "../../src/webhooks/subscriptions/subscription.ts";
import type { Database } from "../../src/storage/database.ts";
import { EVENT_LOG_ADDRESS } from "../../src/log/keys.ts";
import { type HasEnded, NOW } from "../../src/storage/lease.ts";
import { openLogReader } from "../../src/log/read/reader.ts";
import { type ComposedStore, openTestStore } from "../support/open-store.ts";
import { type BatchWriter, writeBatch } from "../../src/storage/batch-writer.ts";
import type { Seal } from "../../src/webhooks/signing/seal.ts";
import { parseSecret } from "../../src/webhooks/signing/secret.ts";
import { createSigner } from "../../src/webhooks/signing/sign.ts";
import { chanceOf } from "../support/chance.ts";
import { newDatabase } from "../support/new-database.ts";

/*
 * A subscription under a made clock and a made network: several nodes deliver it, crash, pause and lose their leases;
 * the endpoint fails at random, answers late, or takes what it was sent and its answer is lost. The same seed does the
 * same. What must hold is checked at each request, and at the end.
 */

interface Sleeper {
  readonly at: number;
  readonly order: number;
  readonly wake: () => void;
}

/** Time that passes only when nothing else is to be done. */
export interface MadeTime {
  now(): number;
  /** A clock whose wall clock is off by so much. */
  clock(offsetMs: number | (() => number)): Clock;
  /** Goes on until a time. */
  runUntil(time: number): Promise<void>;
}

/** `answered` resolves when nothing is under way any more that takes real time: a libSQL server's answers. */
export function createMadeTime(start: number, answered: () => Promise<unknown>): MadeTime {
  let now = start;
  let order = 0;
  const sleepers: Sleeper[] = [];

  const settle = async () => {
    await answered();
    // Everything else is promises that are resolved at once, in chains of which none is longer than this.
    for (let round = 0; round < 3; round += 1) await new Promise((resolve) => setImmediate(resolve));
  };

  const sleep = (ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const sleeper = { at: now + Math.max(0, ms), order: (order += 1), wake: resolve };
      const place = sleepers.findIndex(({ at }) => at > sleeper.at);
      sleepers.splice(place < 0 ? sleepers.length : place, 0, sleeper);
      signal?.addEventListener(
        "abort",
        () => {
          const index = sleepers.indexOf(sleeper);
          if (index >= 0) sleepers.splice(index, 1);
          resolve();
        },
        { once: true },
      );
    });

  return {
    now: () => now,
    clock: (offsetMs) => ({
      now: () => now + (typeof offsetMs === "number" ? offsetMs : offsetMs()),
      monotonic: () => now - start,
      sleep,
      yield: () => sleep(0),
    }),
    async runUntil(time) {
      for (;;) {
        await settle();
        const [next] = sleepers;
        if (next === undefined || next.at > time) break;
        now = Math.max(now, next.at);
        while (sleepers[0] !== undefined && sleepers[0].at <= now) sleepers.shift()?.wake();
      }
      now = Math.max(now, time);
    },
  };
}

/** How an endpoint answers what it never takes. */
export type Poison = 400 | 429 | 500 | 502 | 503 | 504 | "timeout" | "connection";

export interface SimulationOptions {
  readonly seed: number;
  readonly mode: DeliveryMode;
  readonly subjects: number;
  readonly events: number;
  readonly nodes: number;
  /** Nodes crash, are paused, and lose writes. */
  readonly crashes: boolean;
  /** Answers are lost, so that the sender cannot know that something was taken. */
  readonly lostAnswers: boolean;
  /** The endpoint fails, is slow, and is down for a while. */
  readonly failures: boolean;
  /** Subjects that are never taken. */
  readonly poisoned: number;
  /** What these are answered. */
  readonly poison: readonly Poison[];
  /** Writes of nodes take up to so long, in ms; and every tenth one fails, before or after it was stored. */
  readonly slowWritesMs: number;
  /** Somebody pauses, resumes, rewinds, retries and skips; with failures, the endpoint also answers 410 at times. */
  readonly changes: boolean;
  /** Somebody changes the mode, the filter, the URL, the concurrency and the description, and rotates the secret. */
  readonly patches: boolean;
  /** Nodes end as on SIGTERM, with requests and writes under way, and start again. */
  readonly restarts: boolean;
  /** Nodes that deliver in slices, as workers do; `some`: every other one. */
  readonly slices: "none" | "some" | "all";
  /** Only every other type is selected. */
  readonly filtered: boolean;
  /** The wall clocks of nodes and of the database are corrected by hours, in both directions. */
  readonly clockSteps: boolean;
}

interface Taken {
  readonly subject: string;
  readonly version: number;
  readonly time: number;
}

export interface SimulationResult {
  readonly requests: number;
  readonly taken: number;
  readonly duplicates: number;
  /** Empty when everything held. */
  readonly faults: readonly string[];
  /** How long the events of subjects that are taken waited at most, in ms. */
  readonly longestWaitMs: number;
  /** The same for events of subjects of which no attempt failed, once everything works. */
  readonly longestCalmWaitMs: number;
}

interface WireEvent {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly head?: number };
  readonly subject: string;
  readonly sequence: string;
  readonly previoussequence: string;
}

/** Calls that are under way. */
function trackedCalls() {
  const underWay = new Set<Promise<unknown>>();
  return {
    track<Result>(call: Promise<Result>): Promise<Result> {
      const ended: Promise<unknown> = call.catch(() => {}).finally(() => underWay.delete(ended));
      underWay.add(ended);
      return call;
    },
    async settled(): Promise<void> {
      while (underWay.size > 0) {
        await Promise.all(underWay);
        // What was answered may ask for more.
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}

/** The longest `Retry-After` that nodes honor. */
const MOST_RETRY_AFTER_MS = 120_000;

/** Wall clocks are corrected by at most so much. */
const LONGEST_STEP_MS = 6 * 3_600_000;

/** By then everything is delivered once nothing fails any more: no wait is longer than that for the next probe. */
const LONGEST_QUIET_MS = 75 * 60_000;

/** How often a node looks for what others appended. */
const POLL_MS = 1_000;

const DOORBELL = "kilde.doorbell";

const FAR_AHEAD = "Fri, 31 Dec 9999 23:59:59 GMT";

const NEVER = new Promise<never>(() => {});
const START = Date.UTC(2026, 0, 1);
const SUBSCRIPTION = "sub_simulated";

/** Seals nothing: what it gives takes no real time. */
const SEAL: Seal = {
  seal: (text) => Promise.resolve(text),
  open: (sealed) => Promise.resolve(sealed),
  isOutdated: () => false,
};

const FIRST_SECRET = `whsec_${Buffer.from("the first secret of a simulation").toString("base64")}`;

/** By then whoever delivers knows of a rotation, and signs accordingly. */
const ROTATION_KNOWN_MS = 20_000;

/** Every fourth subject has a name that a filter may leave out. */
const nameOf = (subject: number) => `${subject % 4 === 3 ? "t" : "s"}-${subject}`;

function eventsOf(body: string): readonly WireEvent[] {
  const parsed = JSON.parse(body) as WireEvent | WireEvent[];
  return Array.isArray(parsed) ? parsed : [parsed];
}

/** Runs one simulation to its end. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const chance = chanceOf(options.seed);
  const upTo = (most: number) => Math.floor(chance() * most);
  const calls = trackedCalls();
  const time = createMadeTime(START, calls.settled);
  const faults: string[] = [];
  const own = await newDatabase();
  const shared: Database = {
    ...own,
    read: (statement) => calls.track(own.read(statement)),
    write: (statements) => calls.track(own.write(statements)),
  };
  const store: ComposedStore = await openTestStore({
    database: shared,
    // Whoever appends is not part of it, and waits for nothing.
    clock: { ...time.clock(0), yield: () => Promise.resolve() },
    limits: DEFAULT_LIMITS,
    pollIntervalMs: 100,
  });
  let calm = false;
  const { poison } = options;
  const poisoned = new Map<string, Poison | undefined>(
    Array.from(
      { length: options.poisoned },
      (_, index) => [nameOf(index), poison[index % poison.length]] as const,
    ),
  );
  const types = options.filtered ? ["A"] : undefined;

  // What was appended, and what became of it. `selected`: always, whatever types are asked for; `positions`: of all events.
  const selected = new Map<string, number[]>();
  const typesOf = new Map<string, string[]>();
  const positions: { readonly subject: string; readonly version: number }[] = [];
  const appendedAt = new Map<string, number>();
  const acknowledged = new Map<string, Set<number>>();
  const skipped = new Map<string, Set<number>>();
  /** Events that were rewound, and not acknowledged since. */
  const owedAgain = new Set<string>();
  const last = new Map<string, number>();
  /** Subjects of which nothing was sent since a dispatcher began. */
  const begunAnew = new Set<string>();
  const inFlight = new Map<string, number>();
  /** Whether only one process can be at work, so that a subject must never have two requests. */
  const isAlone = options.nodes === 1 && !options.crashes && !options.clockSteps;
  const bodies = new Map<string, string>();
  /** Secrets that sign or signed, the newest last; `endsMs`: infinity for one that signs until it is replaced. */
  const secrets = [{ text: FIRST_SECRET, sinceMs: START, endsMs: Number.POSITIVE_INFINITY }];
  const taken: Taken[] = [];
  let requests = 0;
  let duplicates = 0;
  let longestWaitMs = 0;
  let longestCalmWaitMs = 0;
  let calmMs = 0;
  /** Subjects of which an attempt failed. */
  const failed = new Set<string>();

  const isDone = (subject: string, version: number) =>
    acknowledged.get(subject)?.has(version) === true || skipped.get(subject)?.has(version) === true;

  /** Versions of a subject that are of type A. */
  const versionsOfA = (subject: string) =>
    (typesOf.get(subject) ?? []).flatMap((type, index) => (type === "A" ? [index + 1] : []));

  /** What may be said to come before an event: it depends on whether types are selected. */
  const isBefore = (subject: string, version: number, before: number) => {
    const ofA = versionsOfA(subject).findLast((candidate) => candidate < version) ?? 0;
    if (options.patches) return before === version - 1 || before === ofA;
    return before === (types === undefined ? version - 1 : ofA);
  };

  const checkSignatures = ({ headers, body }: Outgoing) => {
    // A node that was frozen, or whose clock is off, learns of a rotation later.
    if (!options.patches || options.crashes || options.clockSteps) return;
    const [id = "", timestamp] = [headers["webhook-id"], Number(headers["webhook-timestamp"])];
    const signatures = headers["webhook-signature"]?.split(" ") ?? [];
    const now = time.now();
    for (const { text, sinceMs, endsMs } of secrets) {
      const signature = createSigner([parseSecret(text)])({ id, timestamp, body: body ?? "" });
      const isSigned = signatures.includes(signature);
      if (isSigned && now > endsMs + ROTATION_KNOWN_MS)
        faults.push(`${id} is signed with a secret whose overlap ended ${now - endsMs} ms ago`);
      if (!isSigned && now > sinceMs + ROTATION_KNOWN_MS && now < endsMs)
        faults.push(`${id} is not signed with a secret that is valid`);
    }
  };

  const check = (request: Outgoing) => {
    checkSignatures(request);
    const id = request.headers["webhook-id"] ?? "";
    const known = bodies.get(id);
    if (known !== undefined && known !== request.body) faults.push(`${id} was sent with other bytes`);
    bodies.set(id, request.body ?? "");
    const inRequest = new Map<string, number>();
    for (const { subject, type, sequence, previoussequence } of eventsOf(request.body ?? "")) {
      if (type === DOORBELL) continue;
      const version = Number(sequence);
      const before = Number(previoussequence);
      if (types !== undefined && !options.patches && type !== "A")
        faults.push(`${subject} ${version} is not selected`);
      if (!isBefore(subject, version, before))
        faults.push(`${subject} ${version} says ${before} was before it`);
      const inStep = inRequest.get(subject) === before;
      // After a change of types what was before may not have been selected when it was passed.
      const isOwed = before > 0 && selected.get(subject)?.includes(before) === true;
      if (isOwed && !inStep && !isDone(subject, before))
        faults.push(`${subject} ${version} was sent before ${before} was acknowledged`);
      // Nothing is left out: it continues with the next, or back. A dispatcher that begins again continues from what is
      // stored: also where that is ahead of what the one before it had sent back.
      const at = last.get(subject) ?? 0;
      // While the database's clock is corrected, two nodes may deliver for a moment, each in order.
      const again = begunAnew.delete(subject) || (options.clockSteps && options.nodes > 1);
      // After a rewind of a range it continues where it was; that all of the range was delivered is checked at the end.
      const mayJump = options.patches || options.changes;
      if (!again && !inStep && !mayJump && version > at && before > at && !skipped.get(subject)?.has(before))
        faults.push(`${subject} went on from ${at} to ${version}`);
      inRequest.set(subject, version);
    }
  };

  const noteWait = (subject: string, sinceMs: number) => {
    if (poisoned.has(subject)) return;
    longestWaitMs = Math.max(longestWaitMs, time.now() - sinceMs);
    if (calm && !failed.has(subject))
      longestCalmWaitMs = Math.max(longestCalmWaitMs, time.now() - Math.max(calmMs, sinceMs));
  };

  /** `isOver`: its sender has crashed, so that others may have sent what follows before the receiver was done with it. */
  const acknowledge = (request: Outgoing, isOver: () => boolean) => {
    for (const { subject, type, sequence, data } of eventsOf(request.body ?? "")) {
      if (type === DOORBELL) {
        // Its receiver reads the log.
        for (const event of positions.slice(0, data.head)) {
          const done = acknowledged.get(event.subject) ?? new Set();
          acknowledged.set(event.subject, done.add(event.version));
          owedAgain.delete(`${event.subject} ${event.version}`);
          last.set(event.subject, event.version);
        }
        continue;
      }
      const version = Number(sequence);
      owedAgain.delete(`${subject} ${version}`);
      const done = acknowledged.get(subject) ?? new Set();
      acknowledged.set(subject, done);
      if (done.has(version)) duplicates += 1;
      else {
        noteWait(subject, appendedAt.get(`${subject} ${version}`) ?? time.now());
      }
      done.add(version);
      if (!isOver() || version > (last.get(subject) ?? 0)) last.set(subject, version);
      taken.push({ subject, version, time: time.now() });
    }
  };

  let downUntil = 0;
  const answered = (
    status: number,
    durationMs: number,
    retryAfter: string | null = null,
  ): EndpointAnswer => ({
    kind: "answered",
    status,
    durationMs,
    header: (name) => (name === "retry-after" ? retryAfter : null),
  });

  /** What becomes of a request, decided when it is sent. */
  const respond = async (
    request: Outgoing,
    sleep: Clock["sleep"],
    isOver: () => boolean,
  ): Promise<EndpointAnswer> => {
    const events = eventsOf(request.body ?? "");
    const latency = 1 + upTo(options.failures && !calm ? 300 : 20);
    await sleep(latency);
    const bad = events.map(({ subject }) => poisoned.get(subject)).find((kind) => kind !== undefined);
    if (bad !== undefined && !calm) {
      if (typeof bad === "number") return answered(bad, latency);
      const durationMs = bad === "timeout" ? 15_000 : latency;
      if (bad === "timeout") await sleep(15_000 - latency);
      return { kind: "failed", category: bad, sent: true, durationMs };
    }
    if (calm) {
      acknowledge(request, isOver);
      return answered(200, latency);
    }
    if (options.failures) {
      if (time.now() < downUntil)
        return chance() < 0.5
          ? { kind: "failed", category: "connection", sent: true, durationMs: latency }
          : answered(503, latency, chance() < 0.5 ? "2" : null);
      const kind = chance();
      if (kind < 0.003) downUntil = time.now() + upTo(60_000);
      if (kind < 0.003 && options.changes && chance() < 0.3) return answered(410, latency);
      if (kind < 0.03) return answered([500, 400, 404, 301, 502, 503, 504][upTo(7)] ?? 500, latency);
      if (kind < 0.04) return answered(429, latency, String(upTo(3)));
      if (kind < 0.042) return answered(429, latency, chance() < 0.5 ? "30" : FAR_AHEAD);
      if (kind < 0.05) return { kind: "failed", category: "connection", sent: true, durationMs: latency };
      if (kind < 0.055) {
        await sleep(15_000);
        return { kind: "failed", category: "timeout", sent: true, durationMs: 15_000 + latency };
      }
    }
    acknowledge(request, isOver);
    if (options.lostAnswers && chance() < 0.03) {
      if (chance() < 0.5) return { kind: "failed", category: "connection", sent: true, durationMs: latency };
      await sleep(15_000);
      return { kind: "failed", category: "timeout", sent: true, durationMs: 15_000 };
    }
    return answered(204, latency);
  };

  let databaseStep = 0;
  /** By the number of the node. */
  const wallSteps = new Map<number, number>();

  interface Node {
    alive: boolean;
    /** Does nothing until then, as a process that was stopped. */
    frozenUntil: number;
    delivering: Delivering | null;
  }

  /** Whether nodes detect that others have crashed, as on one machine. A frozen node has not. */
  const onOneMachine = options.seed % 2 === 0;
  const holders = new Map<string, Node>();
  const hasEnded: HasEnded = ({ holder }) => holders.get(holder)?.alive === false;

  /** Delivers as a worker does: in slices that may end at any moment, with pauses between them. */
  const deliverSlices = async (delivery: Omit<DeliverOptions, "holder">, node: Node, clock: Clock) => {
    for (let slice = 0; node.alive; slice += 1) {
      const ended = new AbortController();
      const lengthMs = 3_000 + upTo(20_000);
      void clock.sleep(upTo(2 * lengthMs)).then(() => ended.abort());
      const work = deliverInSlices({ ...delivery, holder: `slice-${slice}-${time.now()}` });
      await work.run({ deadline: clock.monotonic() + lengthMs, signal: ended.signal }).catch(() => "idle");
      ended.abort();
      await clock.sleep(upTo(3_000));
    }
  };

  const startNode = (number: number): Node => {
    const node: Node = { alive: true, frozenUntil: 0, delivering: null };
    const real = time.clock(() => number * 600_000 - 600_000 + (wallSteps.get(number) ?? 0));
    const hold = async () => {
      while (time.now() < node.frozenUntil) await real.sleep(node.frozenUntil - time.now());
      if (!node.alive) await NEVER;
    };
    const clock: Clock = {
      now: () => real.now(),
      monotonic: () => real.monotonic(),
      async sleep(ms, signal) {
        await real.sleep(ms, signal);
        await hold();
      },
      async yield() {
        await real.yield();
        await hold();
      },
    };
    const failAtTimes = (message: string) => {
      if (options.crashes && !calm && chance() < 0.002) throw new Error(message);
    };
    const atNow = (sql: string) => sql.replaceAll(NOW, String(time.now() + databaseStep));
    const database: Database = {
      ...shared,
      async read(statement) {
        await hold();
        failAtTimes("the database could not be read");
        return shared.read({ ...statement, sql: atNow(statement.sql) });
      },
      async write(statements) {
        await hold();
        await real.sleep(upTo(calm ? 5 : Math.max(5, options.slowWritesMs)));
        await hold();
        const failing = options.slowWritesMs > 0 && !calm ? chance() : 1;
        if (failing < 0.05) throw new Error("the database could not be written");
        if (options.crashes && !calm && chance() < 0.002) crash(node);
        await hold();
        failAtTimes("the database could not be written");
        const rows = await shared.write(
          statements.map((statement) => ({ ...statement, sql: atNow(statement.sql) })),
        );
        if (options.crashes && !calm && chance() < 0.002) crash(node);
        await hold();
        failAtTimes("the answer of the database was lost");
        if (failing < 0.1) throw new Error("the answer of the database was lost");
        return rows;
      },
    };
    const writer: BatchWriter = {
      write: (statements) => writeBatch(database, clock, statements),
      sweep: () => {},
    };
    const delivery: Omit<DeliverOptions, "holder"> = {
      database,
      writer,
      clock,
      chance,
      async send(request, signal) {
        await hold();
        failAtTimes("the request could not be made");
        requests += 1;
        check(request);
        const subjects = new Set(eventsOf(request.body ?? "").map(({ subject }) => subject));
        for (const subject of subjects) {
          const others = inFlight.get(subject) ?? 0;
          if (others > 0 && isAlone) faults.push(`${subject} has two requests at a time`);
          inFlight.set(subject, others + 1);
        }
        const cut = new Promise<null>((resolve) => {
          signal?.addEventListener("abort", () => resolve(null), { once: true });
        });
        const answer = await Promise.race([
          respond(
            request,
            (ms) => real.sleep(ms),
            () => !node.alive,
          ),
          cut,
        ]);
        for (const subject of subjects) inFlight.set(subject, (inFlight.get(subject) ?? 1) - 1);
        if (answer?.kind === "failed" || (answer !== null && answer.status >= 300))
          for (const subject of subjects) failed.add(subject);
        await hold();
        if (answer === null) throw new Error("the request was cut off");
        return answer;
      },
      // Asked for whenever a dispatcher begins.
      secretsOf(subscription) {
        failAtTimes("the secrets could not be opened");
        for (const subject of typesOf.keys()) begunAnew.add(subject);
        return openSecrets(SEAL, subscription, time.now() + databaseStep);
      },
      readerOf: (log) =>
        openLogReader({ database, clock, limits: DEFAULT_LIMITS, pollIntervalMs: POLL_MS }, log),
      blockedSubjects: 2,
      mostRetryAfterMs: MOST_RETRY_AFTER_MS,
      onEvent(event) {
        // What a slice reads when it is over fails.
        const mayFail = options.crashes || options.slowWritesMs > 0 || options.slices !== "none";
        if (event.kind === "failed" && !mayFail) faults.push(`failed: ${String(event.error)}`);
      },
    };
    const isSliced = options.slices === "all" || (options.slices === "some" && number % 2 === 1);
    if (isSliced) {
      void deliverSlices(delivery, node, clock);
      return node;
    }
    const holder = `node-${number}-${time.now()}-${holders.size}`;
    holders.set(holder, node);
    node.delivering = deliver({ ...delivery, holder, ...(onOneMachine ? { hasEnded } : {}) });
    return node;
  };

  /** Corrects the wall clocks of one machine: of a node, of the database, or of both where they share one. */
  const stepClock = () => {
    const step = Math.round((chance() - 0.5) * 2 * LONGEST_STEP_MS);
    const kind = upTo(3);
    if (kind !== 0) databaseStep = step;
    if (kind !== 1) wallSteps.set(upTo(options.nodes), step);
  };

  const nodes: Node[] = [];
  /** Ends as on SIGTERM: what is under way is settled, and how far it came is stored, if that succeeds. */
  const restart = (node: Node) => {
    const number = nodes.indexOf(node);
    const closed = node.delivering?.close() ?? Promise.resolve();
    void closed.then(() => {
      if (nodes[number] !== node) return;
      node.alive = false;
      nodes[number] = startNode(number);
    });
  };
  const crash = (node: Node) => {
    node.alive = false;
    const number = nodes.indexOf(node);
    void time
      .clock(0)
      .sleep(upTo(8_000))
      .then(() => {
        if (nodes[number] === node) nodes[number] = startNode(number);
      });
  };

  await addSubscription(store.writer, {
    id: SUBSCRIPTION,
    log: EVENT_LOG_ADDRESS,
    config: {
      url: "https://receiver.example/hook",
      filter: { types },
      mode: options.mode,
      concurrency: 8,
      attempts: null,
      headerNames: [],
      ratePerMinute: null,
      consentedOrigin: null,
      description: "",
    },
    secrets: { signing: [{ sealed: FIRST_SECRET, until: null }], headers: null },
    cursor: 0,
    now: new Date(time.now()).toISOString(),
    mostSubscriptions: 10,
  });
  for (let number = 0; number < options.nodes; number += 1) nodes.push(startNode(number));

  const append = async () => {
    const subject = nameOf(upTo(options.subjects));
    const count = 1 + upTo(4);
    const added = Array.from({ length: count }, () => (chance() < 0.5 ? "A" : "B"));
    const outcome = await store.writer.append({
      parts: [
        {
          subject,
          expectedVersion: "any",
          erases: false,
          events: added.map((type) => ({ type, time: null, data: jsonText({ n: 1 }), extensions: null })),
        },
      ],
      idempotency: null,
    });
    if (outcome.outcome !== "appended") throw new Error("an append was refused");
    const version = outcome.results[0]?.version ?? 0;
    const versions: number[] = selected.get(subject) ?? [];
    if (!options.patches || subject.startsWith("s-")) selected.set(subject, versions);
    typesOf.set(subject, [...(typesOf.get(subject) ?? []), ...added]);
    added.forEach((type, index) => {
      const at = version - count + 1 + index;
      positions.push({ subject, version: at });
      if ((types !== undefined || options.patches) && type !== "A") return;
      versions.push(at);
      appendedAt.set(`${subject} ${at}`, time.now());
    });
  };

  const now = () => new Date(time.now()).toISOString();
  const redelivery = { database: shared, writer: store.writer, clock: time.clock(0), onChange: () => {} };
  const subscriptions = openSubscriptions({
    ...redelivery,
    limits: DEFAULT_LIMITS,
    seal: SEAL,
    send: () => Promise.reject(new Error("nobody asks for consent")),
    isServed: () => Promise.resolve(true),
  });

  /** Rewinds a range, or some subjects; what was counted has to be delivered. */
  const rewindSome = async () => {
    const found = await subscriptions.get(SUBSCRIPTION);
    if (found.config.mode.kind === "doorbell" || found.cursor === 0) return;
    const after = upTo(found.cursor);
    const end = chance() < 0.3 ? null : after + upTo(found.cursor - after + 1);
    const [one, other] = [nameOf(upTo(options.subjects)), nameOf(upTo(options.subjects))];
    const subjects = chance() < 0.3 ? [one, other] : null;
    const counted = await rewind(redelivery, found, { after, upTo: end, subjects, dryRun: false });
    const again = positions
      .slice(after, end ?? found.cursor)
      .filter(({ subject, version }) => {
        const isNamed = subjects?.includes(subject) ?? true;
        return isNamed && selected.get(subject)?.includes(version) === true;
      })
      .map(({ subject, version }) => `${subject} ${version}`);
    if (counted.events < again.length)
      faults.push(`a rewind of ${again.length} events counted ${counted.events}`);
    for (const event of again) owedAgain.add(event);
  };

  const rotate = async () => {
    const overlapSeconds = [0, 3, 60][upTo(3)] ?? 0;
    const { secret } = await subscriptions.rotateSecret(SUBSCRIPTION, { secret: null, overlapSeconds });
    const sinceMs = time.now();
    for (const one of secrets) one.endsMs = Math.min(one.endsMs, sinceMs + overlapSeconds * 1_000);
    secrets.push({ text: secret ?? "", sinceMs, endsMs: Number.POSITIVE_INFINITY });
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
    });
  };

  const change = async () => {
    const kind = options.changes ? upTo(options.patches ? 7 : 5) : 5;
    if (kind === 0) {
      await setPaused(store.writer, { id: SUBSCRIPTION, reason: "asked", now: now() });
      await time.runUntil(time.now() + upTo(3_000));
      await setPaused(store.writer, { id: SUBSCRIPTION, reason: null, now: now() });
    } else if (kind === 1) {
      await rewindSome();
    } else if (kind === 5) {
      await patch();
    } else {
      const blocked = (await Array.fromAsync(readLanes(shared, SUBSCRIPTION)))
        .flat()
        .filter(({ attempts }) => attempts > 0);
      const lane = blocked[upTo(blocked.length)];
      if (lane === undefined) return;
      if (kind < 4 || kind > 5) await retryBlocked(store.writer, { id: SUBSCRIPTION, subject: lane.subject });
      else {
        const [row] = await shared.read({
          sql: "select name from subjects where id = ?",
          args: [lane.subject],
        });
        const subject = String(row?.[0]);
        const version = selected.get(subject)?.find((candidate) => candidate >= lane.next);
        if (version === undefined) return;
        const marks = skipped.get(subject) ?? new Set();
        skipped.set(subject, marks.add(version));
        const done = await skipBlocked(store.writer, {
          id: SUBSCRIPTION,
          subject: lane.subject,
          version,
          now: now(),
        });
        if (done) owedAgain.delete(`${subject} ${version}`);
        else marks.delete(version);
      }
    }
    for (const { delivering } of nodes) if (chance() < 0.5) delivering?.changed(SUBSCRIPTION);
  };

  for (let done = 0; done < options.events; done += 1) {
    await append();
    if (chance() < 0.5) await time.runUntil(time.now() + upTo(400));
    for (const node of nodes) if (chance() < 0.5) node.delivering?.learn();
    if (options.crashes && chance() < 0.01) {
      const node = nodes[upTo(nodes.length)];
      if (node?.alive === true) {
        if (chance() < 0.5) crash(node);
        else node.frozenUntil = time.now() + upTo(12_000);
      }
    }
    if ((options.changes || options.patches) && chance() < 0.03) await change();
    const restarted = nodes[upTo(nodes.length)];
    if (options.restarts && chance() < 0.04 && restarted?.alive === true && restarted.delivering !== null)
      restart(restarted);
    if (options.clockSteps && chance() < 0.04) stepClock();
  }
  await time.runUntil(time.now() + 30_000);
  // All is well from now on, and everything is delivered in the end.
  calm = true;
  calmMs = time.now();
  const deadline = time.now() + LONGEST_QUIET_MS;
  const isComplete = async () => {
    for (const [subject, versions] of selected)
      if (!versions.every((version) => isDone(subject, version))) return false;
    if (owedAgain.size > 0) return false;
    const subscription = await readSubscription(shared, SUBSCRIPTION);
    return subscription?.rewind === null && subscription.cursor === (await store.reader.head());
  };
  /** An answer of 410 may have paused it. */
  const resume = async () => {
    const subscription = await readSubscription(shared, SUBSCRIPTION);
    if (subscription?.status === "paused")
      await setPaused(store.writer, { id: SUBSCRIPTION, reason: null, now: now() });
  };
  while (time.now() < deadline && !(await isComplete())) {
    await resume();
    await time.runUntil(time.now() + 5_000);
  }
  if (!(await isComplete())) {
    const lost = [...selected].flatMap(([subject, versions]) =>
      versions.filter((version) => !isDone(subject, version)).map((version) => `${subject} ${version}`),
    );
    const subscription = await readSubscription(shared, SUBSCRIPTION);
    faults.push(
      `not delivered: ${lost.slice(0, 5).join(", ")} (${lost.length}), again: ${[...owedAgain].slice(0, 5).join(", ")} (${owedAgain.size}); cursor ${subscription?.cursor} of ${await store.reader.head()}, rewind ${JSON.stringify(subscription?.rewind)}`,
    );
  }
  // A repetition may have been answered with a pause before all was well.
  const settledBy = time.now() + MOST_RETRY_AFTER_MS + 80_000;
  let apart: readonly StoredLane[] = [];
  do {
    await resume();
    await time.runUntil(time.now() + 20_000);
    apart = (await Array.fromAsync(readLanes(shared, SUBSCRIPTION))).flat();
  } while (apart.length > 0 && time.now() < settledBy);
  if (apart.length > 0) faults.push(`still apart: ${JSON.stringify(apart)}`);
  for (const node of nodes) node.alive = false;
  // In memory it is gone with what is still at work on it.
  if (!own.embedded) own.close();
  return { requests, taken: taken.length, duplicates, faults, longestWaitMs, longestCalmWaitMs };
}
