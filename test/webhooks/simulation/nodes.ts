import type { Clock } from "../../../src/core/clock.ts";
import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import { openLogReader } from "../../../src/log/read/reader.ts";
import { writeBatch } from "../../../src/storage/batch-writer.ts";
import type { Database } from "../../../src/storage/database.ts";
import { type HasEnded, NOW } from "../../../src/storage/lease.ts";
import { type Delivering, deliver } from "../../../src/webhooks/dispatch/run.ts";
import { deliverInSlices } from "../../../src/webhooks/dispatch/slice.ts";
import type { DeliverOptions } from "../../../src/webhooks/dispatch/subscription-job.ts";
import type { Seal } from "../../../src/webhooks/signing/seal.ts";
import { openSecrets } from "../../../src/webhooks/subscriptions/secrets.ts";
import type { Checks } from "./checks.ts";
import type { Model } from "./model.ts";
import type { Network } from "./network.ts";
import { eventsOf, type World } from "./world.ts";

/** The longest `Retry-After` that nodes honor. */
export const MOST_RETRY_AFTER_MS = 120_000;

/** Seals nothing, so that it takes no real time. */
export const SEAL: Seal = {
  seal: (text) => Promise.resolve(text),
  open: (sealed) => Promise.resolve(sealed),
  isOutdated: () => false,
};

/** Largest correction of a wall clock. */
const LONGEST_STEP_MS = 6 * 3_600_000;

/** How often a node checks for events of other processes. */
const POLL_MS = 1_000;

const NEVER = new Promise<never>(() => {});

interface Node {
  alive: boolean;
  /** The node does nothing until then, as a process that was stopped. */
  frozenUntil: number;
  /** Null: the node delivers in slices. */
  delivering: Delivering | null;
}

export interface Nodes {
  readonly delivering: () => (Delivering | null)[];
  /** Crashes or freezes one that is alive. */
  disturb(): void;
  /** Ends one as on SIGTERM, and starts it again. */
  restart(): void;
  /** Corrects the wall clocks of one machine: of a node, of the database, or of both where they share one. */
  stepClock(): void;
  end(): void;
}

interface Surroundings {
  readonly database: Database;
  readonly model: Model;
  readonly checks: Checks;
  readonly network: Network;
}

/** A node's own clock, which stands still while the node is frozen, and for ever once the node has crashed. */
function createNodeClock({ time }: World, node: Node, wallOffsetMs: () => number) {
  const real = time.clock(wallOffsetMs);
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
  return { real, hold, clock };
}

type NodeClock = ReturnType<typeof createNodeClock>;

/** Fails some operations at random, while nodes crash. */
function failAtTimes({ options, chance, calmSinceMs }: World, message: string): void {
  if (options.crashes && calmSinceMs === null && chance() < 0.002) throw new Error(message);
}

/** A node's connection to the database: its writes are slow and fail, and the node crashes before and after them. */
function createNodeDatabase(
  world: World,
  shared: Database,
  { real, hold }: NodeClock,
  crash: () => void,
): Database {
  const { options, time, chance, upTo } = world;
  const isCalm = () => world.calmSinceMs !== null;
  const atNow = (sql: string) => sql.replaceAll(NOW, String(time.now() + world.databaseStepMs));
  return {
    ...shared,
    async read(statement) {
      await hold();
      failAtTimes(world, "the database could not be read");
      return shared.read({ ...statement, sql: atNow(statement.sql) });
    },
    async write(statements) {
      await hold();
      await real.sleep(upTo(isCalm() ? 5 : Math.max(5, options.slowWritesMs)));
      await hold();
      const failing = options.slowWritesMs > 0 && !isCalm() ? chance() : 1;
      if (failing < 0.05) throw new Error("the database could not be written");
      if (options.crashes && !isCalm() && chance() < 0.002) crash();
      await hold();
      failAtTimes(world, "the database could not be written");
      const rows = await shared.write(
        statements.map((statement) => ({ ...statement, sql: atNow(statement.sql) })),
      );
      if (options.crashes && !isCalm() && chance() < 0.002) crash();
      await hold();
      failAtTimes(world, "the answer of the database was lost");
      if (failing < 0.1) throw new Error("the answer of the database was lost");
      return rows;
    },
  };
}

/** Sends as a node does: the checks see each request, and a crash or the end of a slice cuts it off. */
function createSend(
  world: World,
  { model, checks, network }: Surroundings,
  { real, hold }: NodeClock,
  node: Node,
): DeliverOptions["send"] {
  return async (request, signal) => {
    await hold();
    failAtTimes(world, "the request could not be made");
    model.counts.requests += 1;
    checks.request(request);
    const subjects = new Set(eventsOf(request).map(({ subject }) => subject));
    const answered = checks.underWay(subjects);
    const cut = new Promise<null>((resolve) => {
      signal?.addEventListener("abort", () => resolve(null), { once: true });
    });
    const sent = network(
      request,
      (ms) => real.sleep(ms),
      () => !node.alive,
    );
    const answer = await Promise.race([sent, cut]);
    answered();
    if (answer?.kind === "failed" || (answer !== null && answer.status >= 300)) model.failed(subjects);
    await hold();
    if (answer === null) throw new Error("the request was cut off");
    return answer;
  };
}

/** Delivers as a worker does: in slices that may end at any moment, with pauses between them. */
async function deliverSlices(
  { time, upTo }: World,
  delivery: Omit<DeliverOptions, "holder">,
  node: Node,
): Promise<void> {
  const { clock } = delivery;
  for (let slice = 0; node.alive; slice += 1) {
    const ended = new AbortController();
    const lengthMs = 3_000 + upTo(20_000);
    void clock.sleep(upTo(2 * lengthMs)).then(() => ended.abort());
    const work = deliverInSlices({ ...delivery, holder: `slice-${slice}-${time.now()}` });
    await work.run({ deadline: clock.monotonic() + lengthMs, signal: ended.signal }).catch(() => "idle");
    ended.abort();
    await clock.sleep(upTo(3_000));
  }
}

/** Starts the nodes that deliver: they crash, freeze, restart, and lose their leases. */
export function startNodes(world: World, surroundings: Surroundings): Nodes {
  const { options, time, chance, upTo } = world;
  const nodes: Node[] = [];
  /** By the number of the node. */
  const wallSteps = new Map<number, number>();
  /** Whether nodes detect that others have crashed, as on one machine. A frozen node has not. */
  const onOneMachine = options.seed % 2 === 0;
  const holders = new Map<string, Node>();
  const hasEnded: HasEnded = ({ holder }) => holders.get(holder)?.alive === false;

  const start = (number: number): Node => {
    const node: Node = { alive: true, frozenUntil: 0, delivering: null };
    const nodeClock = createNodeClock(
      world,
      node,
      () => number * 600_000 - 600_000 + (wallSteps.get(number) ?? 0),
    );
    const { clock } = nodeClock;
    const database = createNodeDatabase(world, surroundings.database, nodeClock, () => crash(node));
    const delivery: Omit<DeliverOptions, "holder"> = {
      database,
      writer: { write: (statements) => writeBatch(database, clock, statements), sweep: () => {} },
      clock,
      chance,
      send: createSend(world, surroundings, nodeClock, node),
      // Called whenever a dispatcher starts.
      secretsOf(subscription) {
        failAtTimes(world, "the secrets could not be opened");
        surroundings.checks.dispatcherBegan();
        return openSecrets(SEAL, subscription, time.now() + world.databaseStepMs);
      },
      readerOf: (log) =>
        openLogReader({ database, clock, limits: DEFAULT_LIMITS, pollIntervalMs: POLL_MS }, log),
      blockedSubjects: 2,
      mostRetryAfterMs: MOST_RETRY_AFTER_MS,
      onEvent(event) {
        // Reads fail after the end of a slice.
        const mayFail = options.crashes || options.slowWritesMs > 0 || options.slices !== "none";
        if (event.kind === "failed" && !mayFail) world.faults.push(`failed: ${String(event.error)}`);
      },
    };
    if (options.slices === "all" || (options.slices === "some" && number % 2 === 1)) {
      void deliverSlices(world, delivery, node);
      return node;
    }
    const holder = `node-${number}-${time.now()}-${holders.size}`;
    holders.set(holder, node);
    node.delivering = deliver({ ...delivery, holder, ...(onOneMachine ? { hasEnded } : {}) });
    return node;
  };

  const crash = (node: Node) => {
    node.alive = false;
    const number = nodes.indexOf(node);
    void time
      .clock(0)
      .sleep(upTo(8_000))
      .then(() => {
        if (nodes[number] === node) nodes[number] = start(number);
      });
  };

  for (let number = 0; number < options.nodes; number += 1) nodes.push(start(number));

  return {
    delivering: () => nodes.map(({ delivering }) => delivering),
    disturb() {
      const node = nodes[upTo(nodes.length)];
      if (node?.alive !== true) return;
      if (chance() < 0.5) crash(node);
      else node.frozenUntil = time.now() + upTo(12_000);
    },
    restart() {
      const number = upTo(nodes.length);
      const node = nodes[number];
      if (!options.restarts || chance() >= 0.04 || node?.alive !== true || node.delivering === null) return;
      // Requests in flight are settled, and the progress is stored if that succeeds.
      void node.delivering.close().then(() => {
        if (nodes[number] !== node) return;
        node.alive = false;
        nodes[number] = start(number);
      });
    },
    stepClock() {
      const step = Math.round((chance() - 0.5) * 2 * LONGEST_STEP_MS);
      const kind = upTo(3);
      if (kind !== 0) world.databaseStepMs = step;
      if (kind !== 1) wallSteps.set(upTo(options.nodes), step);
    },
    end() {
      for (const node of nodes) node.alive = false;
    },
  };
}
