import type { OwnPath } from "../core/own-paths.ts";
import { admissionOf, type AppOptions, createApp, createDeps } from "./app.ts";
import { authenticateWith } from "./pipeline/authentication.ts";
import { noteDenial } from "./pipeline/denials.ts";
import type { Destination } from "./pipeline/pipeline.ts";
import { measureRequests } from "./pipeline/request-measures.ts";
import { createSenderRates, limitSenders } from "./pipeline/sender-limits.ts";
import { REQUEST_ID_HEADER } from "./pipeline/request-id.ts";
import { sessionSender } from "./session/cookies.ts";
import { postStream } from "./streams/append.ts";
import { authorizeAppend } from "./streams/append-access.ts";

/** The URL of an append to one stream, with the encoded name. */
const STREAM_PATH = /^https?:\/\/[^/]+\/streams\/([^/?#]+)$/;

/** The route of such an append. */
const STREAM_ROUTE: OwnPath = "/streams/{stream}";

/** Returns the encoded name of the stream that a request appends to; undefined for every other request. */
function appendedStream({ method, url }: Request): string | undefined {
  return method === "POST" ? STREAM_PATH.exec(url)?.[1] : undefined;
}

/**
 * Answers the requests for one store. Appends to a stream skip the router, which would cost a fifth of the request;
 * the router has the same handler. With CORS origins every request takes the router, which adds the headers.
 */
export function storeDestination(options: AppOptions, deps = createDeps(options)): Destination {
  const { corsOrigins, onAccess, onFault, access } = options;
  const { clock, limits, addressOf = () => null } = options;
  const { senders: rates = createSenderRates(limits.requestsPerSecond) } = options;
  const router = createApp(options, deps);
  const skipsRouter = corsOrigins.length === 0;
  return {
    basePath: deps.basePath,
    corsOrigins,
    onAccess,
    onFault,
    onAnswer: measureRequests(deps.measures),
    authenticate: limitSenders(
      authenticateWith({
        access,
        admission: () => admissionOf(options),
        session: sessionSender(access.sessions, deps.basePath),
      }),
      { rates, clock, addressOf },
    ),
    answer(request, context) {
      const stream = skipsRouter ? appendedStream(request) : undefined;
      if (stream === undefined) return router.fetch(request, context);
      context.route = STREAM_ROUTE;
      const name = decodeURIComponent(stream);
      try {
        authorizeAppend(context, name);
      } catch (error) {
        noteDenial(error, context, deps);
        throw error;
      }
      return postStream(request, name, context, deps, { [REQUEST_ID_HEADER]: context.requestId });
    },
  };
}
