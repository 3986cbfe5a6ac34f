import { expect } from "bun:test";

import { jsonPost, type Problem } from "../support/app.ts";
import { type Cluster, nodeOf } from "../support/store.ts";
import { expectGapless, placeOf, wholeLog } from "./load.ts";

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly replayed: boolean;
}

let names = 0;
const newName = () => `raced-${(names += 1)}`;

/** The same append from everybody at once, to the servers in turn. */
function race(
  cluster: Cluster,
  stream: string,
  contenders: number,
  requestOf: (contender: number) => { body: unknown; key?: string },
): Promise<Answer[]> {
  return Promise.all(
    Array.from({ length: contenders }, async (_, contender) => {
      const { body, key } = requestOf(contender);
      const headers: Record<string, string> = key === undefined ? {} : { "Idempotency-Key": key };
      const response = await nodeOf(cluster, contender).fetch(`/streams/${stream}`, jsonPost(body, headers));
      return {
        status: response.status,
        body: await response.json(),
        replayed: response.headers.has("idempotency-replayed"),
      };
    }),
  );
}

const eventsOf = (id: string) => [{ type: "Raced", data: { id } }];

async function idsOf(cluster: Cluster, stream: string): Promise<string[]> {
  const log = (await wholeLog(nodeOf(cluster, 0))).map(placeOf);
  expectGapless(log);
  return log.filter((event) => event.stream === stream).map(({ id }) => id);
}

/** Of many appends that expect the same version, one wins, round after round. */
export async function checkExactVersions(cluster: Cluster, rounds: number): Promise<void> {
  const stream = newName();
  const winners: string[] = [];
  for (let version = 0; version < rounds; version += 1) {
    const idOf = (contender: number) => `${stream}/${version}/${contender}`;
    const answers = await race(cluster, stream, 8, (contender) => ({
      body: { events: eventsOf(idOf(contender)), expectedVersion: version },
    }));
    const won = answers.flatMap(({ status }, contender) => (status === 201 ? [idOf(contender)] : []));
    expect(won).toHaveLength(1);
    winners.push(...won);
    for (const { status, body } of answers) {
      if (status === 201) continue;
      expect(body as Problem).toMatchObject({ type: "/problems/version-conflict" });
      expect((body as Problem).currentVersion).toBe(version + 1);
    }
  }
  expect(await idsOf(cluster, stream)).toEqual(winners);
}

/** Two and more servers append to one stream without pause, and none of them goes without. */
export async function checkHotStream(
  cluster: Cluster,
  { clients, appends }: { clients: number; appends: number },
): Promise<void> {
  const stream = newName();
  const sent = await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const ids: string[] = [];
      for (let number = 0; number < appends; number += 1) {
        const id = `${stream}/${client}/${number}`;
        const body = { events: eventsOf(id) };
        const response = await nodeOf(cluster, client).fetch(`/streams/${stream}`, jsonPost(body));
        if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
        await response.arrayBuffer();
        ids.push(id);
      }
      return ids;
    }),
  );
  expect((await idsOf(cluster, stream)).sort()).toEqual(sent.flat().sort());
}

/** Many requests with one key: one is carried out, and all others get its answer, or are refused if they differ. */
export async function checkOneKey(cluster: Cluster, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const [stream, key] = [newName(), newName()];
    const body = { events: eventsOf(key) };
    const answers = await race(cluster, stream, 8, () => ({ body, key }));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 201));
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    for (const answer of answers) expect(answer.body).toEqual(answers[0]?.body);
    expect(await idsOf(cluster, stream)).toEqual([key]);
  }
}

/** One key for requests that differ: one of them is carried out, and the others are refused. */
export async function checkReusedKey(cluster: Cluster, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const [stream, key] = [newName(), newName()];
    const answers = await race(cluster, stream, 8, (contender) => ({
      body: { events: eventsOf(`${key}/${contender >> 2}`) },
      key,
    }));
    const [winner, ...others] = await idsOf(cluster, stream);
    expect(others).toEqual([]);
    for (const [contender, { status, body }] of answers.entries()) {
      const won = winner === `${key}/${contender >> 2}`;
      expect(status).toBe(won ? 201 : 422);
      if (!won) expect(body as Problem).toMatchObject({ type: "/problems/idempotency-key-reused" });
    }
    expect(answers.filter(({ status, replayed }) => status === 201 && !replayed)).toHaveLength(1);
  }
}
