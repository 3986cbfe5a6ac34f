import type { Context } from "hono";

import { readConsumerAlarms } from "../../administration/objectives/consumer-alarms.ts";
import { keepLastSeen } from "../../administration/objectives/keep-last-seen.ts";
import { recordConsumerRewind, recordForgottenConsumer } from "../../administration/consumer-entries.ts";
import { KildeError } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";
import { commitConsumer } from "../../log/consumers/commit-consumer.ts";
import { consumerPages } from "../../log/consumers/consumer-pages.ts";
import {
  type ConsumerRecord,
  type ConsumersQuery,
  findConsumer,
  listConsumers,
  removeConsumer,
} from "../../log/consumers/consumers.ts";
import { forgetLag, LAG_STEP_SECONDS, readLagHistory } from "../../log/consumers/lag-history.ts";
import type { LogReader } from "../../log/read/reader.ts";
import { bodyText } from "../wire/json-body.ts";
import { consumerInPath } from "./consumer-name.ts";
import { type ConsumerState, stateOfConsumer } from "./state.ts";
import type { AppDeps } from "../deps.ts";
import { listAnswer, listingLimit } from "../wire/listing.ts";
import { logHeaders, requireCursorOf, statedIdentity, withIdentity } from "../log/log-identity.ts";
import { hereWith } from "../wire/links.ts";
import { validQuery } from "../log/pages.ts";
import { actorOf } from "../pipeline/authorization.ts";
import { headBeyond } from "../log/position.ts";
import { validationError } from "../pipeline/problems.ts";
import { jsonAnswer } from "../wire/json-answer.ts";

/** Depth of the body of a commit. */
const BODY_DEPTH = 2;

const FRESH = { "Cache-Control": "no-cache" };

type StateOf = (consumer: ConsumerRecord) => ConsumerState;

/** Returns a function that gives the current state of consumers of a log. `name`: only of this one. */
async function readStates({ database, clock }: AppDeps, log: LogReader, name?: string): Promise<StateOf> {
  const alarmsOf = await readConsumerAlarms(database, name);
  return (consumer) => stateOfConsumer(consumer, clock.now(), alarmsOf(log.name, consumer.name));
}

/** Adds `active`: the consumer read within the window in which its feed cannot be retired. */
function entryOf(consumer: ConsumerRecord, stateOf: StateOf, { limits, clock }: AppDeps) {
  const { name, committed, sent, lag, blocked, failure, since, seen } = consumer;
  const state = stateOf(consumer);
  const active = clock.now() - Date.parse(seen) < limits.consumerSeconds * 1_000;
  return { consumer: name, state, committed, sent, lag, blocked, failure, active, since, seen };
}

/** Returns the first consumers of a page's query that are in one of the states. The states depend on the time, so it reads all. */
async function listInStates(
  { database, clock }: AppDeps,
  { address }: LogReader,
  { limit, ...query }: ConsumersQuery,
  isInState: (consumer: ConsumerRecord) => boolean,
): Promise<ConsumerRecord[]> {
  const found: ConsumerRecord[] = [];
  for await (const page of consumerPages({ database, clock }, address, query)) {
    found.push(...page.filter(isInState));
    if (found.length >= limit) break;
  }
  return found.slice(0, limit);
}

/** `GET …/consumers` */
export async function getConsumers(c: Context, deps: AppDeps, log: LogReader): Promise<Response> {
  const { prefix = "", cursor = "", state, ...query } = validQuery(c, deps.schemas.consumersQuery);
  const limit = listingLimit(query.limit, deps);
  await deps.activity.flush();
  return listAnswer(c, deps, limit, async () => {
    const page = { prefix, cursor, limit };
    const stateOf = await readStates(deps, log);
    const { found, identity } = await withIdentity(log, () =>
      state === undefined
        ? listConsumers(deps.database, log.address, page, deps.clock.now())
        : listInStates(deps, log, page, (consumer) => state.includes(stateOf(consumer))),
    );
    const links = [`<${hereWith(c, deps, {})}>; rel="self"`];
    const last = found.at(-1);
    if (found.length === limit && last !== undefined)
      links.push(`<${hereWith(c, deps, { cursor: last.name })}>; rel="next"`);
    const body = { consumers: found.map((consumer) => entryOf(consumer, stateOf, deps)) };
    return { body, headers: { Link: links.join(", "), ...logHeaders(identity) } };
  });
}

async function answer(c: Context, deps: AppDeps, log: LogReader, name: string): Promise<Response> {
  const { database, clock } = deps;
  const [{ found, identity }, stateOf] = await Promise.all([
    withIdentity(log, () => findConsumer(database, log.address, name, clock.now())),
    readStates(deps, log, name),
  ]);
  if (found === null) throw unknownConsumer(log, name);
  return jsonAnswer(c, entryOf(found, stateOf, deps), 200, { ...FRESH, ...logHeaders(identity) });
}

function unknownConsumer(log: LogReader, name: string): KildeError {
  return new KildeError("consumer-not-found", `${log.name} has no consumer ${JSON.stringify(name)}`);
}

/** `GET …/consumers/{consumer}` */
export async function getConsumer(c: Context, deps: AppDeps, log: LogReader): Promise<Response> {
  const name = consumerInPath(c, deps);
  await deps.activity.flush();
  return answer(c, deps, log, name);
}

/** `GET …/consumers/{consumer}/lag` */
export async function getConsumerLag(c: Context, deps: AppDeps, log: LogReader): Promise<Response> {
  const { database, clock } = deps;
  const name = consumerInPath(c, deps);
  await deps.activity.flush();
  const nowMs = clock.now();
  const { found, identity } = await withIdentity(log, () => findConsumer(database, log.address, name, nowMs));
  if (found === null) throw unknownConsumer(log, name);
  const samples = await readLagHistory(database, log.address, found, nowMs);
  return jsonAnswer(c, { stepSeconds: LAG_STEP_SECONDS, samples }, 200, {
    ...FRESH,
    ...logHeaders(identity),
  });
}

/** `PUT …/consumers/{consumer}`: commits a position. */
export async function putConsumer(c: Context, deps: AppDeps, log: LogReader): Promise<Response> {
  const { limits, schemas, clock, writer } = deps;
  const name = consumerInPath(c, deps);
  const body = schemas.committedBody.safeParse(parseJson(await bodyText(c, deps), BODY_DEPTH).value);
  if (!body.success) throw validationError("invalid-body", body.error.issues);
  const { position, rewind = false, blocked = 0, failure = null } = body.data;
  const stated = statedIdentity(c.req.raw.headers);
  const { head } = await requireCursorOf(
    deps,
    log,
    stated === undefined ? undefined : { position, identity: stated },
  );
  if (position > head) await headBeyond(deps, log, position);
  await deps.activity.flush();
  const nowMs = clock.now();
  const mostConsumers = limits.consumers;
  const idleSince = new Date(nowMs - limits.consumerSeconds * 1_000).toISOString();
  const cursor = { log: log.address, name, position, rewind, blocked, failure };
  const now = new Date(nowMs).toISOString();
  const moved = { log: log.address, name, position, ...actorOf(c) };
  const before = [
    keepLastSeen(log.address.id, mostConsumers, name),
    ...(rewind ? recordConsumerRewind(moved, now) : []),
  ];
  const appended = await commitConsumer(writer, { ...cursor, nowMs, mostConsumers, idleSince, before });
  if (appended !== null) deps.committed.observe(log.name, (clock.now() - Date.parse(appended)) / 1_000);
  return answer(c, deps, log, name);
}

/** `DELETE …/consumers/{consumer}`: forgets the consumer until it reads again. */
export async function deleteConsumer(c: Context, deps: AppDeps, log: LogReader): Promise<Response> {
  const name = consumerInPath(c, deps);
  await deps.activity.flush();
  const nowMs = deps.clock.now();
  const forgotten = { log: log.address, name, ...actorOf(c) };
  const { before, after } = recordForgottenConsumer(forgotten, new Date(nowMs).toISOString());
  const beside = { before, after: [...after, forgetLag(log.address, name, nowMs)] };
  if (!(await removeConsumer(deps.writer, log.address, name, beside))) throw unknownConsumer(log, name);
  return c.body(null, 204);
}
