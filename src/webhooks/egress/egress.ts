import type { Clock } from "../../core/clock.ts";
import { createAddressRules, literalAddress } from "./address-rules.ts";
import { categoryOf, drain, mayHaveArrived } from "./answer.ts";
import { type Probe, probeConnection } from "./connect.ts";
import { createDeadlines } from "../../core/deadlines.ts";
import { EgressFailure, type Outgoing, type Send } from "./outgoing.ts";
import { type Resolve, resolveName } from "./resolve.ts";
import { createTargets, unlessAborted } from "./targets.ts";

export interface EgressOptions {
  /** Destinations besides public addresses; see {@link createAddressRules}. */
  readonly allow: readonly string[];
  readonly clock: Clock;
  /** Deadline for status and headers, in milliseconds; default 15,000. The body may take a second more. */
  readonly timeoutMs?: number;
  /** Part of it for resolving a name and connecting, in milliseconds; default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Most bytes of an answer's body that are read; default 16 KiB. */
  readonly mostBytes?: number;
  /** Certificates (PEM) to trust in place of the public authorities. */
  readonly ca?: string;
  /** Default: those of this machine and runtime. */
  readonly resolve?: Resolve;
  readonly probe?: Probe;
  readonly fetch?: typeof fetch;
}

export interface Egress {
  readonly send: Send;
  /** Cuts off requests in flight, with `timeout`. */
  close(): void;
}

const TIMEOUT_MS = 15_000;
const CONNECT_TIMEOUT_MS = 5_000;
const MOST_BYTES = 16 * 1024;
/** Deadline for the body of an answer, once its status is known. */
const BODY_MS = 1_000;

/** Rejects the URLs that `checkEndpoint` rejects, whatever their source. */
function checkedUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch (error) {
    throw new EgressFailure("address-refused", { cause: error });
  }
  const isWeb = url.protocol === "http:" || url.protocol === "https:";
  if (!isWeb || url.username !== "" || url.password !== "") throw new EgressFailure("address-refused");
  return url;
}

/** The same URL, with an address in place of the name. */
function pinnedUrl({ protocol, port, pathname, search }: URL, address: string): string {
  const host = address.includes(":") ? `[${address}]` : address;
  return `${protocol}//${host}${port === "" ? "" : `:${port}`}${pathname}${search}`;
}

/**
 * Creates the sender of requests to endpoints that users have named. It resolves a name once and checks the addresses;
 * the request goes to the checked address, with the name in `Host`, in SNI and in the check of the certificate. It
 * follows no redirects, and neither decompresses answers nor reads more of them than it needs.
 *
 * Fetch keeps connections (TLS ones by name), is the fastest client, and bounds the headers of answers. It offers no
 * timeout for connecting, so an address must accept a connection before it is used (`targets.ts`).
 */
export function createEgress(options: EgressOptions): Egress {
  const { clock, ca, mostBytes = MOST_BYTES } = options;
  const fetchNow = options.fetch ?? fetch;
  const deadlines = createDeadlines(clock, options.timeoutMs ?? TIMEOUT_MS);
  const bodyDeadlines = createDeadlines(clock, BODY_MS);
  const targets = createTargets({
    rules: createAddressRules(options.allow),
    clock,
    resolve: options.resolve ?? resolveName,
    probe: options.probe ?? probeConnection,
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
  });

  const exchange = async (request: Outgoing, url: URL, ended: AbortSignal): Promise<Response> => {
    const known = targets.of(url);
    const target = known instanceof Promise ? await unlessAborted(known, ended) : known;
    const isName = literalAddress(url.hostname) === null;
    const response = await fetchNow(pinnedUrl(url, target.address), {
      method: request.method,
      headers: { "user-agent": "kilde", ...request.headers, host: url.host },
      body: request.body,
      redirect: "manual",
      // Fetch then requests no compressed answer.
      decompress: false,
      signal: ended,
      ...(url.protocol === "https:"
        ? {
            tls: {
              ...(ca === undefined ? {} : { ca }),
              ...(isName ? { serverName: url.hostname.replace(/\.$/, "") } : {}),
            },
          }
        : {}),
    });
    await drain(response, mostBytes, (expire) => bodyDeadlines.start(expire));
    target.answeredMs = clock.monotonic();
    return response;
  };

  const send: Send = async (request, signal) => {
    const startedMs = clock.monotonic();
    const duration = () => ({ durationMs: Math.round(clock.monotonic() - startedMs) });
    const controller = new AbortController();
    const abort = () => controller.abort();
    const settle = deadlines.start(abort);
    signal?.addEventListener("abort", abort, { once: true });
    let url: URL | null = null;
    try {
      signal?.throwIfAborted();
      url = checkedUrl(request.url);
      const { status, headers } = await exchange(request, url, controller.signal);
      return { kind: "answered", status, header: (name) => headers.get(name), ...duration() };
    } catch (error) {
      signal?.throwIfAborted();
      const category = controller.signal.aborted ? "timeout" : categoryOf(error);
      if (url !== null && (category === "timeout" || category === "connection")) targets.forget(url);
      return { kind: "failed", category, sent: mayHaveArrived(error), ...duration() };
    } finally {
      settle();
      signal?.removeEventListener("abort", abort);
    }
  };

  return {
    send,
    close() {
      deadlines.close();
      bodyDeadlines.close();
    },
  };
}
