import type { Contender, Following } from "./contender.ts";
import { residentMb } from "./cpu.ts";
import { medianRow } from "./measure.ts";
import { NOT_TAKEN, type Round, type Row } from "./results.ts";
import { Latencies, quantile } from "./sample.ts";

export const EVENTS_PER_SECOND = 10;

/** How long after the last event of a round every follower must have all of them. */
const ARRIVAL_DEADLINE_MS = 10_000;

/** The followers of one contender. */
interface FollowerGroup {
  readonly contender: Contender;
  readonly following: Following;
  /** Memory that the server took for each follower. */
  readonly kbPerFollower: number | null;
  round(durationMs: number): Promise<Round>;
}

async function openGroup(contender: Contender, count: number): Promise<FollowerGroup | null> {
  if (contender.follow === undefined) return null;
  const received = new Uint32Array(count);
  const sentAt: number[] = [];
  let latencies = new Latencies();
  let fault: Error | null = null;

  const rssBefore = contender.pid === null ? null : residentMb(contender.pid);
  const following = await contender.follow(count, (follower, n) => {
    // Every event, once, in order: the number of the next event is the number of events that the follower has.
    if (received[follower] !== n) {
      fault ??= new Error(`${contender.name}: a follower has event ${n} after ${received[follower]} events`);
    }
    received[follower] = n + 1;
    latencies.add(performance.now() - (sentAt[n] ?? Number.NaN));
  });
  const rssAfter = contender.pid === null ? null : residentMb(contender.pid);

  const arrived = () => received.every((events) => events === sentAt.length);
  return {
    contender,
    following,
    kbPerFollower: rssBefore === null || rssAfter === null ? null : ((rssAfter - rssBefore) * 1_024) / count,
    async round(durationMs) {
      latencies = new Latencies();
      const started = performance.now();
      const events = Math.ceil((durationMs / 1_000) * EVENTS_PER_SECOND);
      for (let event = 0; event < events; event += 1) {
        const due = started + (event * 1_000) / EVENTS_PER_SECOND;
        await Bun.sleep(Math.max(0, due - performance.now()));
        const n = sentAt.length;
        sentAt.push(performance.now());
        await following.append(n);
      }
      const deadline = performance.now() + ARRIVAL_DEADLINE_MS;
      while (!arrived() && performance.now() < deadline) await Bun.sleep(5);
      if (!arrived()) fault ??= new Error(`${contender.name}: events did not reach every follower`);
      if (fault !== null) throw fault;
      const ascending = latencies.ascending();
      const p50Ms = quantile(ascending, 0.5);
      return { ...NOT_TAKEN, value: p50Ms, p50Ms, p99Ms: quantile(ascending, 0.99) };
    },
  };
}

export interface FollowerRows {
  /** Time from sending an append to each follower's having its event. */
  readonly latency: Row[];
  readonly memory: Row[];
}

/** Latency is measured while events come at a steady rate, so that it is not that of a queue that grows. */
export async function measureFollowers(
  contenders: readonly Contender[],
  count: number,
  rounds: number,
  roundMs: number,
): Promise<FollowerRows> {
  const groups: FollowerGroup[] = [];
  try {
    for (const contender of contenders) {
      const group = await openGroup(contender, count);
      if (group !== null) groups.push(group);
    }
    const all = groups.map((): Round[] => []);
    for (const group of groups) await group.round(1_000);
    for (let round = 0; round < rounds; round += 1) {
      for (let turn = 0; turn < groups.length; turn += 1) {
        const index = (round + turn) % groups.length;
        const result = await groups[index]?.round(roundMs);
        if (result !== undefined) all[index]?.push(result);
      }
    }
    const row = ({ contender, following }: FollowerGroup, its: readonly Round[], ours: readonly Round[]) =>
      medianRow({ contender: contender.name, way: following.way, settings: contender.settings }, its, ours);
    const memoryRound = ({ kbPerFollower }: FollowerGroup): Round[] =>
      kbPerFollower === null ? [] : [{ ...NOT_TAKEN, value: kbPerFollower }];
    const [first] = groups;
    return {
      latency: groups.map((group, index) => row(group, all[index] ?? [], all[0] ?? [])),
      memory: groups.map((group) =>
        row(group, memoryRound(group), first === undefined ? [] : memoryRound(first)),
      ),
    };
  } finally {
    for (const { following } of groups) await following.close();
  }
}
