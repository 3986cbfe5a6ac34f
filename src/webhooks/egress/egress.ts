import type { Clock } from "../../core/clock.ts";
import { createAddressRules } from "./address-rules.ts";
import { categoryOf, drain, mayHaveArrived } from "./answer.ts";
import { type Probe, probeConnection } from "./connect.ts";
import { createDeadlines } from "../../core/deadlines.ts";
import { createDestinations, type EndpointDestination } from "./destination.ts";
import { onAbort } from "../../core/on-abort.ts";
import type { Outgoing, Send } from "./outgoing.ts";
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
  const destinationOf = createDestinations();
  const targets = createTargets({
    rules: createAddressRules(options.allow),
    clock,
    resolve: options.resolve ?? resolveName,
    probe: options.probe ?? probeConnection,
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
  });

  const exchange = async (
    request: Outgoing,
    to: EndpointDestination,
    ended: AbortSignal,
  ): Promise<{ readonly response: Response; readonly beginning: string }> => {
    const known = targets.of(to);
    const target = known instanceof Promise ? await unlessAborted(known, ended) : known;
    const response = await fetchNow(to.pinned(target.address), {
      method: request.method,
      headers: { "user-agent": "kilde", ...request.headers, host: to.host },
      body: request.body,
      redirect: "manual",
      // Fetch then requests no compressed answer.
      decompress: false,
      signal: ended,
      ...(to.protocol === "https:"
        ? {
            tls: {
              ...(ca === undefined ? {} : { ca }),
              ...(to.isName ? { serverName: to.hostname.replace(/\.$/, "") } : {}),
            },
          }
        : {}),
    });
    const { keptBytes = 0 } = request;
    const beginning = await drain(response, { mostBytes, keptBytes }, (expire) =>
      bodyDeadlines.start(expire),
    );
    target.answeredMs = clock.monotonic();
    return { response, beginning };
  };

  const send: Send = async (request, signal) => {
    const startedMs = clock.monotonic();
    const duration = () => ({ durationMs: Math.round(clock.monotonic() - startedMs) });
    const controller = new AbortController();
    const abort = () => controller.abort();
    const settle = deadlines.start(abort);
    const release = signal === undefined ? null : onAbort(signal, abort);
    let to: EndpointDestination | null = null;
    try {
      signal?.throwIfAborted();
      to = destinationOf(request.url);
      const { response, beginning } = await exchange(request, to, controller.signal);
      const { status, headers } = response;
      return { kind: "answered", status, header: (name) => headers.get(name), beginning, ...duration() };
    } catch (error) {
      signal?.throwIfAborted();
      const category = controller.signal.aborted ? "timeout" : categoryOf(error);
      if (to !== null && (category === "timeout" || category === "connection")) targets.forget(to);
      return { kind: "failed", category, sent: mayHaveArrived(error), ...duration() };
    } finally {
      settle();
      release?.();
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
