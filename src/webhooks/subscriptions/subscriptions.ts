import type { Clock } from "../../core/clock.ts";
import { KildeError } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";
import type { Send } from "../egress/outgoing.ts";
import type { Database } from "../../storage/database.ts";
import type { LogAddress } from "../../log/keys.ts";
import { findLog, readHead } from "../../log/read/subjects.ts";
import type { BatchWriter } from "../../storage/batch-writer.ts";
import type { Seal } from "../signing/seal.ts";
import { generateSecret, parseSecret, publicKeyOf, type SecretKind } from "../signing/secret.ts";
import {
  addSubscription,
  type ChangeEffect,
  changeSubscription,
  removeSubscription,
  setPaused,
} from "./change.ts";
import { askConsent } from "./consent.ts";
import { type Delivered, deliverTest } from "./deliver-test.ts";
import { listSubscriptions, readSubscription } from "./record.ts";
import { canSign, openSecrets, openSigning, sealOf } from "./secrets.ts";
import { positionBefore, stateOf, type SubscriptionState } from "./state.ts";
import type { StoredSecret, SubscriptionRecord, SubscriptionConfig } from "./subscription.ts";

/** Where a subscription starts: after a position, or with the first event recorded at or after a time (UTC, ms). */
export type Start = "beginning" | "now" | { readonly position: number } | { readonly time: string };

/** The requested part of the configuration; the rest follows from it. */
export type RequestedConfig = Omit<SubscriptionConfig, "ratePerMinute" | "headerNames">;

export interface SubscriptionRequest {
  /** Path of the log. */
  readonly source: string;
  readonly start: Start;
  /** `consentedOrigin`: the origin of the request for consent. */
  readonly config: RequestedConfig;
  readonly headers: Readonly<Record<string, string>>;
  /** Null: Kilde generates one. */
  readonly secret: string | null;
  readonly signature: SecretKind;
}

/** Keys for the receiver: shown when they are created, and never again. */
export interface SubscriptionCredentials {
  /** `whsec_…`; null where the receiver needs no secret. */
  readonly secret: string | null;
  /** `whpk_…`, of a secret that is not shared. */
  readonly publicKey: string | null;
}

/** How long the old secret signs beside the new one, in seconds. */
export const OVERLAP_SECONDS = 24 * 3_600;

/** The operations on subscriptions. Delivery happens elsewhere: see `run.ts`. */
export interface SubscriptionRegistry {
  create(
    request: SubscriptionRequest,
  ): Promise<{ readonly subscription: SubscriptionRecord } & SubscriptionCredentials>;
  list(query: { readonly cursor: string; readonly limit: number }): Promise<SubscriptionRecord[]>;
  /** Throws `subscription-not-found`. */
  get(id: string): Promise<SubscriptionRecord>;
  state(subscription: SubscriptionRecord): Promise<SubscriptionState>;
  /** `configFor` maps the current configuration to the requested one; `headers: null` keeps them. */
  change(
    id: string,
    changed: {
      readonly configFor: (found: SubscriptionRecord) => RequestedConfig;
      readonly headers: Readonly<Record<string, string>> | null;
    },
  ): Promise<SubscriptionRecord>;
  remove(id: string): Promise<void>;
  pause(id: string, reason: string): Promise<SubscriptionRecord>;
  /** Throws `feed-retired` when its log was retired. */
  resume(id: string): Promise<SubscriptionRecord>;
  rotateSecret(
    id: string,
    rotation: { readonly secret: string | null; readonly overlapSeconds: number },
  ): Promise<SubscriptionCredentials>;
  /** Sends a test event, once, and returns the outcome. */
  test(id: string): Promise<Delivered>;
}

export interface SubscriptionsDeps {
  readonly database: Database;
  readonly writer: BatchWriter;
  readonly clock: Clock;
  readonly limits: Limits;
  /** Null: no key is configured that could seal secrets. */
  readonly seal: Seal | null;
  readonly send: Send;
  /** Whether a log can be read. */
  readonly isServed: (log: LogAddress) => Promise<boolean>;
  /** Notifies the dispatcher of a change. */
  readonly onChange: (id: string) => void;
}

function unknownSubscription(id: string): KildeError {
  return new KildeError("subscription-not-found", `There is no subscription ${JSON.stringify(id)}`);
}

function beyondHead(log: LogAddress, position: number, head: number): KildeError {
  const detail = `The position is ${position}, but the last event of ${log.name} is ${head}`;
  return new KildeError("cursor-beyond-head", detail, { head });
}

function credentialsOf(text: string): SubscriptionCredentials {
  const publicKey = publicKeyOf(parseSecret(text));
  return { secret: publicKey === null ? text : null, publicKey };
}

/** The requested secret, or a new one. */
function secretFor(stated: string | null, kind: SecretKind): string {
  if (stated === null) return generateSecret(kind);
  try {
    parseSecret(stated);
  } catch (error) {
    const detail = error instanceof Error ? error.message : "is no secret";
    throw new KildeError("invalid-body", `/secret: ${detail}`, { errors: [{ pointer: "/secret", detail }] });
  }
  return stated;
}

type Changed = Pick<SubscriptionRecord, "config" | "secrets"> & { readonly effect: ChangeEffect };

function effectOf(before: RequestedConfig, after: RequestedConfig, hasHeaders: boolean): ChangeEffect {
  const decisive = ({ url, filter, mode, attempts }: RequestedConfig) =>
    JSON.stringify([url, filter, mode, attempts]);
  return hasHeaders || decisive(before) !== decisive(after) ? "retry" : "none";
}

export function openSubscriptions(deps: SubscriptionsDeps): SubscriptionRegistry {
  const { database, writer, clock, limits, onChange } = deps;

  const sealed = (text: string, id: string) => sealOf(deps.seal).seal(text, id);

  const sealedHeaders = async (headers: Readonly<Record<string, string>>, id: string) =>
    Object.keys(headers).length === 0 ? null : sealed(JSON.stringify(headers), id);

  const get = async (id: string): Promise<SubscriptionRecord> => {
    const found = await readSubscription(database, id);
    if (found === null) throw unknownSubscription(id);
    return found;
  };

  const cursorAt = async (log: LogAddress, start: Start): Promise<number> => {
    const head = await readHead(database, log);
    if (start === "beginning") return 0;
    if (start === "now") return head;
    if ("time" in start) return positionBefore(database, log, head, start.time);
    if (start.position > head) throw beyondHead(log, start.position, head);
    return start.position;
  };

  /** Asks the endpoint for consent, if the configuration requires it. */
  const rateAt = async ({ url, consentedOrigin }: RequestedConfig): Promise<number | null> =>
    consentedOrigin === null ? null : askConsent(deps.send, url, consentedOrigin);

  const setStatus = async (id: string, reason: string | null): Promise<SubscriptionRecord> => {
    const now = new Date(clock.now()).toISOString();
    if (!(await setPaused(writer, { id, reason, now }))) throw unknownSubscription(id);
    onChange(id);
    return get(id);
  };

  /** Changes a stored subscription, and retries after concurrent changes. */
  const update = async (
    id: string,
    change: (found: SubscriptionRecord) => Changed | Promise<Changed>,
  ): Promise<void> => {
    for (;;) {
      const found = await get(id);
      const changed = await change(found);
      if (await changeSubscription(writer, found, changed, changed.effect)) break;
    }
    onChange(id);
  };

  return {
    async create({ source, start, config, headers, secret, signature }) {
      const log = await findLog(database, source);
      if (log === null || !(await deps.isServed(log))) {
        const detail = `There is no log ${source}: it is /events, or the path of a feed's version`;
        throw new KildeError("invalid-body", detail, { errors: [{ pointer: "/source", detail }] });
      }
      const id = `sub_${crypto.randomUUID().replaceAll("-", "")}`;
      const text = secretFor(secret, signature);
      const stored: StoredSecret = { sealed: await sealed(text, id), until: null };
      const cursor = await cursorAt(log, start);
      const added = await addSubscription(writer, {
        id,
        log,
        config: { ...config, headerNames: Object.keys(headers), ratePerMinute: await rateAt(config) },
        secrets: { signing: [stored], headers: await sealedHeaders(headers, id) },
        cursor,
        now: new Date(clock.now()).toISOString(),
        mostSubscriptions: limits.subscriptions,
      });
      if (!added) {
        const detail = `There are ${limits.subscriptions} subscriptions already`;
        throw new KildeError("limit-exceeded", detail, { limit: "subscriptions" });
      }
      onChange(id);
      return { subscription: await get(id), ...credentialsOf(text) };
    },
    list: (query) => listSubscriptions(database, query),
    get,
    async state(subscription) {
      const now = clock.now();
      const state = await stateOf(database, subscription, now);
      if (state.status === "paused" || (await canSign(deps.seal, subscription, now))) return state;
      return { ...state, status: "failing", reason: "secrets cannot be opened" };
    },
    async change(id, { configFor, headers }) {
      const changed = headers === null ? null : await sealedHeaders(headers, id);
      await update(id, async (found) => {
        const { config: before, secrets } = found;
        const config = configFor(found);
        // An endpoint consents to a URL and an origin.
        const isSame = before.url === config.url && before.consentedOrigin === config.consentedOrigin;
        const ratePerMinute = isSame ? before.ratePerMinute : await rateAt(config);
        const headerNames = headers === null ? before.headerNames : Object.keys(headers);
        return {
          effect: effectOf(before, config, headers !== null),
          config: { ...config, ratePerMinute, headerNames },
          secrets: headers === null ? secrets : { ...secrets, headers: changed },
        };
      });
      return get(id);
    },
    async remove(id) {
      if (!(await removeSubscription(writer, id))) throw unknownSubscription(id);
      onChange(id);
    },
    pause: (id, reason) => setStatus(id, reason),
    async resume(id) {
      const { log } = await get(id);
      if (await deps.isServed(log)) return setStatus(id, null);
      throw new KildeError("feed-retired", `${log.name}, which it delivers, was retired`);
    },
    async rotateSecret(id, { secret, overlapSeconds }) {
      const found = await get(id);
      // A requested secret replaces one that can no longer be opened.
      const [current] = secret === null ? await openSigning(deps.seal, found, clock.now()) : [];
      const text = secretFor(secret, current?.kind ?? "symmetric");
      const stored: StoredSecret = { sealed: await sealed(text, id), until: null };
      await update(id, ({ config, secrets }) => {
        const until = clock.now() + overlapSeconds * 1_000;
        const kept = secrets.signing
          .map((old) => ({ ...old, until: Math.min(old.until ?? until, until) }))
          .filter((old) => old.until > clock.now());
        return { effect: "none", config, secrets: { ...secrets, signing: [stored, ...kept] } };
      });
      return credentialsOf(text);
    },
    async test(id) {
      const found = await get(id);
      return deliverTest(deps, found, await openSecrets(deps.seal, found, clock.now()));
    },
  };
}
