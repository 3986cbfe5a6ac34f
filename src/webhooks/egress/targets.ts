import type { Clock } from "../../core/clock.ts";
import { type AddressRules, literalAddress } from "./address-rules.ts";
import type { Probe } from "./connect.ts";
import { EgressFailure } from "./outgoing.ts";
import type { Resolve } from "./resolve.ts";

/** An address that was checked, and is what is connected to. */
export interface Target {
  readonly address: string;
  /** When an answer last came from it, by the monotonic clock; null: not yet. */
  answeredMs: number | null;
}

export interface Targets {
  /** The address to connect to for a URL; at once, if it is known. Rejects with an EgressFailure. */
  of(url: URL): Target | Promise<Target>;
  /** To be looked up anew: it could not be connected to. */
  forget(url: URL): void;
}

export interface TargetDeps {
  readonly rules: AddressRules;
  readonly clock: Clock;
  readonly resolve: Resolve;
  readonly probe: Probe;
  readonly connectTimeoutMs: number;
}

/** How long what a name resolved to is good for; then it is resolved, and checked, again. */
const FRESH_MS = 5_000;

/** Addresses of a name that are tried, all at once. */
const MOST_ADDRESSES = 4;

/** Names that were not asked for during this are dropped; as often it is looked for them. */
const FORGET_MS = 60_000;

interface Remembered {
  readonly checkedMs: number;
  target: Target | Promise<Target>;
}

function portOf(url: URL): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "https:" ? 443 : 80;
}

/** What the promise gives, or the signal's end, whichever is first. */
export function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new EgressFailure("timeout"));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/**
 * Remembers for a few seconds what names resolved to. All addresses of a name must be permitted; one that can be
 * connected to in time is the one that requests are then pinned to, so that no second resolution can tell another.
 */
export function createTargets({ rules, clock, resolve, probe, connectTimeoutMs }: TargetDeps): Targets {
  const remembered = new Map<string, Remembered>();

  const addressesOf = async (hostname: string, signal: AbortSignal): Promise<readonly string[]> => {
    const literal = literalAddress(hostname);
    if (literal !== null) return [literal];
    const found = await unlessAborted(resolve(hostname), signal).catch((error: unknown) => {
      throw error instanceof EgressFailure ? error : new EgressFailure("dns", { cause: error });
    });
    if (found.length === 0) throw new EgressFailure("dns");
    return found;
  };

  const reachable = async (
    addresses: readonly string[],
    port: number,
    signal: AbortSignal,
  ): Promise<string> => {
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
  };

  const check = async (url: URL, before: Target | null, signal: AbortSignal): Promise<Target> => {
    const addresses = await addressesOf(url.hostname, signal);
    if (!addresses.every((address) => rules.permits(url.hostname, address))) {
      throw new EgressFailure("address-refused");
    }
    // What answers needs no proof that it can be connected to.
    const answeredMs = before?.answeredMs ?? null;
    const isAlive = answeredMs !== null && clock.monotonic() - answeredMs < FRESH_MS;
    if (before !== null && isAlive && addresses.includes(before.address)) return before;
    return { address: await reachable(addresses, portOf(url), signal), answeredMs: null };
  };

  /** The check, with its own deadline: whoever waits for it may give up earlier. */
  const checkInTime = async (url: URL, earlier: Remembered | undefined): Promise<Target> => {
    const late = new AbortController();
    const done = new AbortController();
    void clock.sleep(connectTimeoutMs, done.signal).then(() => late.abort());
    try {
      const before = await Promise.resolve(earlier?.target).catch(() => null);
      return await check(url, before ?? null, late.signal);
    } finally {
      done.abort();
    }
  };

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
      const target = checkInTime(url, known);
      const entry: Remembered = { checkedMs: nowMs, target };
      remembered.set(url.origin, entry);
      target.then(
        (checked) => {
          entry.target = checked;
        },
        // A failure is told to those who wait, and not remembered.
        () => {
          if (remembered.get(url.origin) === entry) remembered.delete(url.origin);
        },
      );
      return target;
    },
    forget: (url) => void remembered.delete(url.origin),
  };
}
