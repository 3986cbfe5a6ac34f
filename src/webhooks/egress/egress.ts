import type { Clock } from "../../core/clock.ts";
import { createAddressRules } from "./address-rules.ts";
import { categoryOf, mayHaveArrived } from "./answer.ts";
import type { AnswerHead } from "./answer-reader.ts";
import { type Probe, probeConnection } from "./connect.ts";
import { createConnections } from "./connections.ts";
import { createCutoff, type Cutoff } from "./cutoff.ts";
import { createDeadlines } from "../../core/deadlines.ts";
import { createDestinations, type EndpointDestination } from "./destination.ts";
import { exchangeByFetch } from "./fetch-exchange.ts";
import { onAbort } from "./on-abort.ts";
import type { Outgoing, Send } from "./outgoing.ts";
import { requestText } from "./request-text.ts";
import { type Resolve, resolveName } from "./resolve.ts";
import { createTargets, portOf, unlessAborted } from "./targets.ts";

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
  /** Whether requests may go through a proxy, which fetch alone finds in the environment. Default: no. */
  readonly isBehindProxy?: boolean;
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
 * Requests in plain text go over connections of its own (`connections.ts`), which take less CPU time than fetch. Fetch sends
 * those over TLS, of which it keeps connections by name, and those through a proxy. It offers no timeout for connecting,
 * so an address must accept a connection before it is used (`targets.ts`).
 */
export function createEgress(options: EgressOptions): Egress {
  const { clock, ca, mostBytes = MOST_BYTES } = options;
  const usesFetch = options.isBehindProxy === true || options.fetch !== undefined;
  const deadlines = createDeadlines(clock, options.timeoutMs ?? TIMEOUT_MS);
  const bodyDeadlines = createDeadlines(clock, BODY_MS);
  const fetching = { fetch: options.fetch ?? fetch, ca, mostBytes, bodyDeadlines };
  const connections = createConnections({ clock, mostBytes, bodyDeadlines });
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
    cutoff: Cutoff,
  ): Promise<AnswerHead> => {
    const known = targets.of(to);
    const target = known instanceof Promise ? await unlessAborted(known, cutoff.signal()) : known;
    const { address } = target;
    const head =
      to.protocol === "https:" || usesFetch
        ? await exchangeByFetch(fetching, request, { ...to, address }, cutoff)
        : await connections.exchange({ address, port: portOf(to) }, requestText(request, to), cutoff);
    target.answeredMs = clock.monotonic();
    return head;
  };

  const send: Send = async (request, signal) => {
    const startedMs = clock.monotonic();
    const duration = () => ({ durationMs: Math.round(clock.monotonic() - startedMs) });
    const cutoff = createCutoff();
    const settle = deadlines.start(cutoff.cut);
    const release = signal === undefined ? null : onAbort(signal, cutoff.cut);
    let to: EndpointDestination | null = null;
    try {
      signal?.throwIfAborted();
      to = destinationOf(request.url);
      const { status, header } = await exchange(request, to, cutoff);
      return { kind: "answered", status, header, ...duration() };
    } catch (error) {
      signal?.throwIfAborted();
      const category = cutoff.isCut() ? "timeout" : categoryOf(error);
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
      connections.close();
    },
  };
}
