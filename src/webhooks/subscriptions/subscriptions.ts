import { type Actor, authorship, NOBODY } from "../../administration/actor.ts";
import { entry, recordEntries } from "../../administration/entry.ts";
import { KildeError } from "../../core/errors.ts";
import { openSecrets, canSign } from "./secrets.ts";
import { removeSubscription, setPaused, type PauseChange } from "./change.ts";
import {
  type CreatedSubscription,
  createSubscription,
  type SubscriptionRequest,
} from "./create-subscription.ts";
import type { SubscriptionCreator } from "./creator.ts";
import type { SubscriptionCredentials } from "./credentials.ts";
import { subscriptionPath } from "./delivered-filter.ts";
import { type Delivered, deliverTest } from "./deliver-test.ts";
import { changeConfig, type RequestedChange, rotateSecret, type SecretRotation } from "./reconfigure.ts";
import { listSubscriptions } from "./record.ts";
import { getSubscription, type RegistryDeps, unknownSubscription } from "./registry-deps.ts";
import { statesOf, type SubscriptionState } from "./state.ts";
import type { SubscriptionRecord } from "./subscription.ts";

/** The operations on subscriptions. Delivery happens elsewhere: see `run.ts`. */
export interface SubscriptionRegistry {
  create(request: SubscriptionRequest, actor?: Actor): Promise<CreatedSubscription>;
  list(query: { readonly cursor: string; readonly limit: number }): Promise<SubscriptionRecord[]>;
  /** Throws `subscription-not-found`. */
  get(id: string): Promise<SubscriptionRecord>;
  /** Reads the states of subscriptions together, in their order. */
  states(subscriptions: readonly SubscriptionRecord[]): Promise<readonly SubscriptionState[]>;
  change(id: string, change: RequestedChange, actor?: Actor): Promise<SubscriptionRecord>;
  remove(id: string, actor?: Actor): Promise<void>;
  /** `reason` undefined: that of the actor. */
  pause(id: string, reason: string | undefined, actor?: Actor): Promise<SubscriptionRecord>;
  /** `creator`: the sender. Throws `feed-retired` when its log was retired. */
  resume(id: string, creator: SubscriptionCreator | null, actor?: Actor): Promise<SubscriptionRecord>;
  rotateSecret(id: string, rotation: SecretRotation, actor?: Actor): Promise<SubscriptionCredentials>;
  /** Sends a test event, once, and returns the outcome. */
  test(id: string): Promise<Delivered>;
}

/** Reason of a pause that states none. */
const REQUESTED = "requested";

/** Pauses a subscription for a reason, or resumes it: `reason` null. */
async function setStatus(
  { database, writer, clock, onChange }: RegistryDeps,
  { id, reason, creator = null }: Omit<PauseChange, "now">,
  actor: Actor,
): Promise<SubscriptionRecord> {
  const now = new Date(clock.now()).toISOString();
  const path = subscriptionPath(id);
  const made =
    reason === null
      ? entry(path, "kilde.subscription.resumed", authorship(actor))
      : entry(path, "kilde.subscription.paused", { principal: actor.by, reason: actor.reason ?? reason });
  const recorded = recordEntries([made], now, "changed");
  if (!(await setPaused(writer, { id, reason, now, creator }, recorded))) throw unknownSubscription(id);
  onChange(id);
  return getSubscription(database, id);
}

async function readStates(
  { database, seal, clock }: RegistryDeps,
  subscriptions: readonly SubscriptionRecord[],
): Promise<readonly SubscriptionState[]> {
  const now = clock.now();
  const states = await statesOf(database, subscriptions, now);
  const read = states.map(async (state, index): Promise<SubscriptionState> => {
    const subscription = subscriptions[index];
    if (subscription === undefined || state.status === "paused") return state;
    if (await canSign(seal, subscription, now)) return state;
    return { ...state, status: "failing", reason: "secrets cannot be opened" };
  });
  return Promise.all(read);
}

export function openSubscriptions(deps: RegistryDeps): SubscriptionRegistry {
  const { database } = deps;
  return {
    create: (request, actor = NOBODY) => createSubscription(deps, request, actor),
    list: (query) => listSubscriptions(database, query),
    get: (id) => getSubscription(database, id),
    states: (subscriptions) => readStates(deps, subscriptions),
    change: (id, change, actor = NOBODY) => changeConfig(deps, id, change, actor),
    async remove(id, actor = NOBODY) {
      const { log } = await getSubscription(database, id);
      const data = { ...authorship(actor), source: log.name };
      const removed = entry(subscriptionPath(id), "kilde.subscription.removed", data);
      const recorded = recordEntries([removed], new Date(deps.clock.now()).toISOString(), "changed");
      if (!(await removeSubscription(deps.writer, id, recorded))) throw unknownSubscription(id);
      deps.onChange(id);
    },
    pause: (id, reason, actor = NOBODY) =>
      setStatus(deps, { id, reason: reason ?? actor.reason ?? REQUESTED }, actor),
    async resume(id, creator, actor = NOBODY) {
      const { log } = await getSubscription(database, id);
      if (await deps.isServed(log)) return setStatus(deps, { id, reason: null, creator }, actor);
      throw new KildeError("feed-retired", `${log.name}, which it delivers, was retired`);
    },
    rotateSecret: (id, rotation, actor = NOBODY) => rotateSecret(deps, id, rotation, actor),
    async test(id) {
      const found = await getSubscription(database, id);
      return deliverTest(deps, found, await openSecrets(deps.seal, found, deps.clock.now()));
    },
  };
}
