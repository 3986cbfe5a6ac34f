import type { Clock } from "../../../src/core/clock.ts";
import type { EndpointAnswer, Outgoing } from "../../../src/webhooks/egress/outgoing.ts";
import type { Model } from "./model.ts";
import type { Poison } from "./options.ts";
import { eventsOf, nameOf, type World } from "./world.ts";

/** Time that a node waits for an answer. */
const TIMEOUT_MS = 15_000;

const FAR_AHEAD = "Fri, 31 Dec 9999 23:59:59 GMT";

/** Subjects that the endpoint never acknowledges, with its answer to them. */
export function poisonedSubjects({ options }: World): ReadonlyMap<string, Poison | undefined> {
  const { poisoned, poison } = options;
  return new Map(
    Array.from({ length: poisoned }, (_, index) => [nameOf(index), poison[index % poison.length]]),
  );
}

function answered(status: number, durationMs: number, retryAfter: string | null = null): EndpointAnswer {
  return {
    kind: "answered",
    status,
    durationMs,
    header: (name) => (name === "retry-after" ? retryAfter : null),
  };
}

function lost(category: "connection" | "timeout", durationMs: number): EndpointAnswer {
  return { kind: "failed", category, sent: true, durationMs };
}

/** The endpoint, and the network before it. `isOver` reports that the sender has crashed. */
export type Network = (
  request: Outgoing,
  sleep: Clock["sleep"],
  isOver: () => boolean,
) => Promise<EndpointAnswer>;

export function createNetwork(
  world: World,
  model: Model,
  poisoned: ReadonlyMap<string, Poison | undefined>,
): Network {
  const { options, time, chance, upTo } = world;
  let downUntil = 0;

  /** A random failure; null: the endpoint accepts the request. */
  const failure = async (sleep: Clock["sleep"], latency: number): Promise<EndpointAnswer | null> => {
    if (time.now() < downUntil)
      return chance() < 0.5
        ? lost("connection", latency)
        : answered(503, latency, chance() < 0.5 ? "2" : null);
    const kind = chance();
    if (kind < 0.003) downUntil = time.now() + upTo(60_000);
    if (kind < 0.003 && options.changes && chance() < 0.3) return answered(410, latency);
    if (kind < 0.03) return answered([500, 400, 404, 301, 502, 503, 504][upTo(7)] ?? 500, latency);
    if (kind < 0.04) return answered(429, latency, String(upTo(3)));
    if (kind < 0.042) return answered(429, latency, chance() < 0.5 ? "30" : FAR_AHEAD);
    if (kind < 0.05) return lost("connection", latency);
    if (kind >= 0.055) return null;
    await sleep(TIMEOUT_MS);
    return lost("timeout", TIMEOUT_MS + latency);
  };

  return async (request, sleep, isOver) => {
    const isCalm = () => world.calmSinceMs !== null;
    const latency = 1 + upTo(options.failures && !isCalm() ? 300 : 20);
    await sleep(latency);
    const bad = eventsOf(request)
      .map(({ subject }) => poisoned.get(subject))
      .find((kind) => kind !== undefined);
    if (isCalm()) {
      model.acknowledge(request, isOver);
      return answered(200, latency);
    }
    if (typeof bad === "number") return answered(bad, latency);
    if (bad === "timeout") await sleep(TIMEOUT_MS - latency);
    if (bad !== undefined) return lost(bad, bad === "timeout" ? TIMEOUT_MS : latency);
    const failed = options.failures ? await failure(sleep, latency) : null;
    if (failed !== null) return failed;
    model.acknowledge(request, isOver);
    if (options.lostAnswers && chance() < 0.03) {
      if (chance() < 0.5) return lost("connection", latency);
      await sleep(TIMEOUT_MS);
      return lost("timeout", TIMEOUT_MS);
    }
    return answered(204, latency);
  };
}
