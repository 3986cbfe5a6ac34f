import type { request } from "node:http";
import type { request as secureRequest } from "node:https";

import type { SettingValues } from "../../config/settings.ts";
import type { Clock } from "../../core/clock.ts";
import {
  type AddressRules,
  createAddressRules,
  literalAddress,
} from "../../webhooks/egress/address-rules.ts";
import { onAbort } from "../../core/on-abort.ts";
import { beginningOf, drain, mayHaveArrived } from "../../webhooks/egress/answer.ts";
import { checkEndpoint } from "../../webhooks/egress/endpoint.ts";
import {
  type EndpointAnswer,
  EgressFailure,
  type Outgoing,
  type Send,
} from "../../webhooks/egress/outgoing.ts";
import { unlessAborted } from "../../webhooks/egress/targets.ts";
import type { Resolve } from "../../webhooks/egress/resolve.ts";

/** Timeout of a request with its answer, in milliseconds; the same as on a server. */
const TIMEOUT_MS = 15_000;

type Answered = Pick<Extract<EndpointAnswer, { kind: "answered" }>, "status" | "header" | "beginning">;

/** Sends a request whose URL was checked. Rejects with an EgressFailure, or with the error of its transport. */
export type Exchange = (request: Outgoing, signal: AbortSignal) => Promise<Answered>;

/** Sends by the platform's fetch, which resolves names on its own. */
const exchangeByFetch: Exchange = async ({ method, url, headers, body, keptBytes = 0 }, signal) => {
  const response = await fetch(url, { method, headers, body, signal, redirect: "manual" });
  const header = (name: string) => response.headers.get(name);
  if (keptBytes > 0) {
    const stop = (expire: () => void) => onAbort(signal, expire);
    return {
      status: response.status,
      header,
      beginning: await drain(response, { mostBytes: keptBytes, keptBytes }, stop),
    };
  }
  // The status is known, so the rest of the body does not matter.
  void response.body?.cancel().catch(() => {});
  return { status: response.status, header };
};

/** The functions of `node:http` and `node:dns` that sending uses. */
export interface NodeModules {
  readonly resolve: Resolve;
  readonly request: typeof request;
  readonly secureRequest: typeof secureRequest;
}

/**
 * Returns the modules of Deno, Node or Bun without an import that a bundler would have to resolve; null: the runtime
 * has none.
 */
function nodeModules(): NodeModules | null {
  // Older runtimes lack `getBuiltinModule`, and others lack `process`.
  const load = (globalThis as { process?: Partial<typeof process> }).process?.getBuiltinModule;
  if (load === undefined) return null;
  const dns = load("node:dns/promises");
  return {
    async resolve(hostname) {
      const found = await dns.lookup(hostname, { all: true });
      return found.map(({ address }) => address);
    },
    request: load("node:http").request,
    secureRequest: load("node:https").request,
  };
}

async function permittedAddresses(
  hostname: string,
  rules: AddressRules,
  resolve: Resolve,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const found = await unlessAborted(resolve(hostname), signal).catch((error: unknown) => {
    throw error instanceof EgressFailure ? error : new EgressFailure("dns", { cause: error });
  });
  if (found.length === 0) throw new EgressFailure("dns");
  if (!found.every((address) => rules.permits(hostname, address))) throw new EgressFailure("address-refused");
  return found;
}

/**
 * Sends by `node:http`, which gets the addresses to connect to: a name is resolved once, and the checked addresses
 * are the ones that the request goes to. The name stays in `Host`, in SNI and in the check of the certificate.
 */
export function exchangeAtAddress(rules: AddressRules, modules: NodeModules): Exchange {
  return async ({ method, url: text, headers, body, keptBytes = 0 }, signal) => {
    const url = new URL(text);
    const isName = literalAddress(url.hostname) === null;
    const addresses = isName ? await permittedAddresses(url.hostname, rules, modules.resolve, signal) : [];
    const found = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
    const lookup = (
      _hostname: string,
      options: { all?: boolean | undefined },
      callback: (error: null, address: string | typeof found, family?: number) => void,
    ) => {
      const [first] = found;
      if (options.all === true || first === undefined) callback(null, found);
      else callback(null, first.address, first.family);
    };
    const send = url.protocol === "https:" ? modules.secureRequest : modules.request;
    return new Promise((resolve, reject) => {
      const outgoing = send(url, { method, headers, signal, agent: false, ...(isName ? { lookup } : {}) });
      outgoing.on("error", reject);
      outgoing.once("response", (response) => {
        const header = (name: string) => {
          const value = response.headers[name.toLowerCase()];
          return value === undefined ? null : String(value);
        };
        const status = response.statusCode ?? 0;
        if (keptBytes === 0) {
          resolve({ status, header });
          response.destroy();
          return;
        }
        const chunks: Uint8Array[] = [];
        let bytes = 0;
        response.on("data", (chunk: Uint8Array) => {
          chunks.push(chunk);
          bytes += chunk.byteLength;
          if (bytes >= keptBytes) response.destroy();
        });
        response.on("error", () => {
          // The body broke off, and its beginning is known.
        });
        response.on("close", () => resolve({ status, header, beginning: beginningOf(chunks, keptBytes) }));
      });
      outgoing.end(body ?? undefined);
    });
  };
}

/** Without a resolver, sends only to addresses and to names that the settings trust. */
function exchangeWithTrusted(rules: AddressRules): Exchange {
  return (request, signal) => {
    const { hostname } = new URL(request.url);
    if (literalAddress(hostname) === null && !rules.trusts(hostname)) {
      return Promise.reject(new EgressFailure("address-refused"));
    }
    return exchangeByFetch(request, signal);
  };
}

/** Cloudflare's fetch cannot reach a private network, so the platform checks the resolved addresses there. */
function exchangeOf(rules: AddressRules): Exchange {
  if (globalThis.navigator?.userAgent === "Cloudflare-Workers") return exchangeByFetch;
  const modules = nodeModules();
  return modules === null ? exchangeWithTrusted(rules) : exchangeAtAddress(rules, modules);
}

/** Sends webhooks from a worker, to addresses that the settings permit. */
export function workerSend(
  { egressAllow }: Pick<SettingValues, "egressAllow">,
  clock: Clock,
  modules?: NodeModules,
): Send {
  const rules = createAddressRules(egressAllow);
  const exchange = modules === undefined ? exchangeOf(rules) : exchangeAtAddress(rules, modules);
  return async (outgoing: Outgoing, signal?: AbortSignal): Promise<EndpointAnswer> => {
    const started = clock.monotonic();
    const duration = () => ({ durationMs: Math.round(clock.monotonic() - started) });
    if (checkEndpoint(outgoing.url, rules) !== null) {
      return { kind: "failed", category: "address-refused", sent: false, ...duration() };
    }
    signal?.throwIfAborted();
    const late = new AbortController();
    const done = new AbortController();
    void clock.sleep(TIMEOUT_MS, done.signal).then(() => late.abort());
    const ended = signal === undefined ? late.signal : AbortSignal.any([late.signal, signal]);
    try {
      return { kind: "answered", ...(await exchange(outgoing, ended)), ...duration() };
    } catch (error) {
      signal?.throwIfAborted();
      const category = error instanceof EgressFailure ? error.category : "connection";
      const sent = mayHaveArrived(error);
      return { kind: "failed", category: late.signal.aborted ? "timeout" : category, sent, ...duration() };
    } finally {
      done.abort();
    }
  };
}
