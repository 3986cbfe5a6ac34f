import type { Clock } from "../../core/clock.ts";
import { type AddressRules, literalAddress } from "./address-rules.ts";
import type { Probe } from "./connect.ts";
import { EgressFailure } from "./outgoing.ts";
import type { Resolve } from "./resolve.ts";

/** A checked address that requests connect to. */
export interface Target {
  readonly address: string;
  /** When it last answered, by the monotonic clock; null: not yet. */
  answeredMs: number | null;
}

/** The part of a URL that decides which addresses it has. */
type Place = Pick<URL, "origin" | "protocol" | "hostname" | "port">;

export interface Targets {
  /** The address for a URL; synchronously, if it is known. Rejects with an EgressFailure. */
  of(url: Place): Target | Promise<Target>;
  /** Drops an address that could not be connected to, so that the name is resolved again. */
  forget(url: Place): void;
}

export interface TargetDeps {
  readonly rules: AddressRules;
  readonly clock: Clock;
  readonly resolve: Resolve;
  readonly probe: Probe;
  readonly connectTimeoutMs: number;
}

/** How long a resolved address is used before the name is resolved, and checked, again. */
const FRESH_MS = 5_000;

/** Addresses of a name that are tried, all at once. */
const MOST_ADDRESSES = 4;

/** Names that were not used for this long are dropped; the cleanup runs as often. */
const FORGET_MS = 60_000;

interface Remembered {
  readonly checkedMs: number;
  target: Target | Promise<Target>;
}

function portOf(url: Place): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "https:" ? 443 : 80;
}

/** Settles like the promise, or rejects when the signal aborts first. */
export function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new EgressFailure("timeout"));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** The addresses of a name, or the address that the hostname is. */
async function resolveAddresses(
  resolve: Resolve,
  hostname: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const literal = literalAddress(hostname);
  if (literal !== null) return [literal];
  const found = await unlessAborted(resolve(hostname), signal).catch((error: unknown) => {
    throw error instanceof EgressFailure ? error : new EgressFailure("dns", { cause: error });
  });
  if (found.length === 0) throw new EgressFailure("dns");
  return found;
}

/** The address that accepts a connection first. */
async function firstReachable(
  probe: Probe,
  addresses: readonly string[],
  port: number,
  signal: AbortSignal,
): Promise<string> {
  const enough = new AbortController();
  const ended = AbortSignal.any([signal, enough.signal]);
  const attempts = addresses.slice(0, MOST_ADDRESSES).map(async (address) => {
    await probe(address, port, ended);
    return address;
  });
  try {
    return await Promise.any(attempts);
  } catch (error) {
    throw new EgressFailure(signal.aborted ? "timeout" : "connection", { cause: error });
  } finally {
    enough.abort();
  }
}

/** Resolves and judges a name again. `before`: its last target, which stays if it is permitted and has answered. */
async function checkTarget(
  { rules, clock, resolve, probe }: TargetDeps,
  url: Place,
  before: Target | null,
  signal: AbortSignal,
): Promise<Target> {
  const addresses = await resolveAddresses(resolve, url.hostname, signal);
  if (!addresses.every((address) => rules.permits(url.hostname, address))) {
    throw new EgressFailure("address-refused");
  }
  // An address that has answered needs no trial connection.
  const answeredMs = before?.answeredMs ?? null;
  const isAlive = answeredMs !== null && clock.monotonic() - answeredMs < FRESH_MS;
  if (before !== null && isAlive && addresses.includes(before.address)) return before;
  return { address: await firstReachable(probe, addresses, portOf(url), signal), answeredMs: null };
}

/** The check has a deadline of its own: its callers may give up earlier. */
async function checkInTime(deps: TargetDeps, url: Place, earlier: Remembered | undefined): Promise<Target> {
  const late = new AbortController();
  const done = new AbortController();
  void deps.clock.sleep(deps.connectTimeoutMs, done.signal).then(() => late.abort());
  try {
    const before = await Promise.resolve(earlier?.target).catch(() => null);
    return await checkTarget(deps, url, before ?? null, late.signal);
  } finally {
    done.abort();
  }
}

/**
 * Caches the addresses of names for a few seconds. All addresses of a name must be permitted. Requests are pinned to
 * the one that accepts a connection first, so that a second resolution cannot change the destination.
 */
export function createTargets(deps: TargetDeps): Targets {
  const { clock } = deps;
  const remembered = new Map<string, Remembered>();
  let droppedMs = clock.monotonic();
  const dropForgotten = (nowMs: number): void => {
    if (nowMs - droppedMs < FORGET_MS) return;
    droppedMs = nowMs;
    for (const [origin, { checkedMs }] of remembered) {
      if (nowMs - checkedMs >= FORGET_MS) remembered.delete(origin);
    }
  };

  return {
    of(url) {
      const nowMs = clock.monotonic();
      const known = remembered.get(url.origin);
      if (known !== undefined && nowMs - known.checkedMs < FRESH_MS) return known.target;
      dropForgotten(nowMs);
      const target = checkInTime(deps, url, known);
      const entry: Remembered = { checkedMs: nowMs, target };
      remembered.set(url.origin, entry);
      target.then(
        (checked) => {
          entry.target = checked;
        },
        // A failure reaches the waiting callers, and is not cached.
        () => {
          if (remembered.get(url.origin) === entry) remembered.delete(url.origin);
        },
      );
      return target;
    },
    forget: (url) => void remembered.delete(url.origin),
  };
}
