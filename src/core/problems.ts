import { ACCESS_PROBLEMS } from "./access-problems.ts";
import type { ProblemCode } from "./errors.ts";

/** The status and texts of each problem. Clients get them with the answer, and do not carry them. */
export const PROBLEMS = {
  "malformed-json": {
    status: 400,
    title: "The body is not JSON",
    remedy: "Send one well-formed JSON text (RFC 8259) in UTF-8, without duplicate member names.",
  },
  "invalid-target": {
    status: 400,
    title: "The path or host of the request is not canonical",
    remedy:
      "Send the path without empty segments, `.`, `..` and backslashes, with each name as encodeURIComponent writes it, and a Host that is a host name or an address.",
  },
  "invalid-parameter": {
    status: 400,
    title: "A parameter or header is not valid",
    remedy: "Correct or leave out the parameters that `errors` names.",
  },
  "cursor-beyond-head": {
    status: 400,
    title: "The cursor is beyond the end of the log",
    remedy:
      "Use the id of an event read from this log. After a restore from an older backup, start again from `head` or an earlier cursor.",
  },
  "log-restored": {
    status: 409,
    title: "The log was restored and holds another history",
    remedy:
      "Keep what you know up to position `parted`, discard what you know beyond it, and read on from there; where `parted` is null, compare with the log from its start. To write, read again and decide on the identity that `log` names.",
  },
  "cursor-moved-back": {
    status: 409,
    title: "The consumer has committed a later position already",
    remedy: "To go back and read again, commit with `rewind`: true.",
  },
  "feed-retired": {
    status: 410,
    title: "This version of the feed was retired",
    remedy: "Read another version; GET /feeds lists the versions.",
  },
  "feed-in-use": {
    status: 409,
    title: "The feed is still read or delivered",
    remedy:
      "Move its readers to another version, and pause or delete its subscriptions, first. `force=true` (`--force`) retires it nevertheless.",
  },
  "feed-published": {
    status: 409,
    title: "Only a draft can be built again",
    remedy: "Define a new version beside it, or resume it if it is halted.",
  },
  "consumer-not-found": {
    status: 404,
    title: "There is no such consumer",
    remedy: "A consumer appears when it reads with the Kilde-Consumer header, or commits a position.",
  },
  "subscription-not-found": {
    status: 404,
    title: "There is no such subscription",
    remedy: "GET /subscriptions lists the subscriptions.",
  },
  "correlations-off": {
    status: 409,
    title: "The store does not index correlations",
    remedy:
      "Start the server with `--correlations` (`KILDE_CORRELATIONS`, `correlations: true` in `kilde.config.ts`).",
  },
  "subject-not-blocked": {
    status: 409,
    title: "The subject is not blocked",
    remedy: "The subscription's `blocked` lists the blocked subjects and the event that each waits for.",
  },
  "endpoint-refuses": {
    status: 422,
    title: "The endpoint does not consent to deliveries",
    remedy:
      "Let it answer OPTIONS with WebHook-Allowed-Origin (`consent` of kilde/webhook does), or leave out `handshake`.",
  },
  "secrets-not-kept": {
    status: 501,
    title: "No key is configured to seal or open secrets",
    remedy:
      "Start Kilde with KILDE_SECRET_KEYS=k1:<32 bytes in base64>, such as from `openssl rand -base64 32`. Keep it as long as the database.",
  },
  ...ACCESS_PROBLEMS,
  "cross-site-request": {
    status: 403,
    title: "Pages of this origin may not change anything",
    remedy:
      "Name the page's origin in `corsOrigin` (`--cors-origin`) if it may call. `*` lets pages of all origins read only.",
  },
  "misdirected-request": {
    status: 421,
    title: "The request names another host",
    remedy:
      "Call Kilde by localhost or a loopback address. If a proxy that checks who calls passes other names on, start Kilde with `behindProxy` (`--behind-proxy`).",
  },
  "not-found": {
    status: 404,
    title: "There is nothing at this address",
    remedy: "GET /openapi.json lists the addresses.",
  },
  "tenant-not-found": {
    status: 404,
    title: "There is no tenant at this host or path",
    remedy: "Use the address of a tenant: `tenants` in kilde.config.ts has the host or the path of each.",
  },
  "stream-not-found": {
    status: 404,
    title: "There is no such stream",
    remedy: "Append to the stream to create it, or follow it with `timeout` or as an event stream.",
  },
  "append-not-found": {
    status: 404,
    title: "No append with this idempotency key is remembered",
    remedy: "Repeat the append with the same key: it was not written, or the key has expired.",
  },
  "feed-not-found": {
    status: 404,
    title: "There is no such version of a feed",
    remedy: "GET /feeds lists the feeds.",
  },
  "subject-not-found": {
    status: 404,
    title: "The log has no events about this subject",
    remedy: "The log's `subjects` lists its subjects. To wait for the subject, follow it with `timeout`.",
  },
  "method-not-allowed": {
    status: 405,
    title: "The resource does not support this method",
    remedy: "Use one of the methods in the Allow header.",
  },
  "not-acceptable": {
    status: 406,
    title: "None of the accepted media types can be served",
    remedy:
      "Accept application/cloudevents-batch+json, application/json, application/x-ndjson or text/event-stream.",
  },
  "version-conflict": {
    status: 409,
    title: "The stream is not at the expected version",
    remedy: "Read the events that were appended since, decide again, and append with `currentVersion`.",
  },
  "stream-erased": {
    status: 409,
    title: "The stream was erased",
    remedy: "To begin the stream again, append with the tombstone's version as the expected version.",
  },
  "stream-truncated": {
    status: 409,
    title: "The first events of the stream were truncated",
    remedy:
      "Fold the stream from a snapshot that was taken before, and truncate only what a snapshot covers.",
  },
  "precondition-failed": {
    status: 412,
    title: "The stream is not at the version the precondition names",
    remedy: "Read the events that were appended since, decide again, and append with the current ETag.",
  },
  "body-too-large": {
    status: 413,
    title: "The body is too large",
    remedy: "Split the append, or raise the limit that `limit` names.",
  },
  "incomplete-body": {
    status: 408,
    title: "The body did not arrive completely",
    remedy: "Send the request again, faster or with less at once. Nothing of this request was written.",
  },
  "unsupported-media-type": {
    status: 415,
    title: "The body's media type is not supported",
    remedy:
      "Send application/json, application/cloudevents+json or application/cloudevents-batch+json; `data` must be JSON.",
  },
  "invalid-body": {
    status: 422,
    title: "The body does not match its schema",
    remedy: "Correct the members that `errors` points to.",
  },
  "limit-exceeded": {
    status: 422,
    title: "A limit is exceeded",
    remedy: "Send less at once, or raise the limit that `limit` names.",
  },
  "idempotency-key-reused": {
    status: 422,
    title: "The idempotency key was used with another request",
    remedy: "Use a new key for a new request; repeat a request byte for byte to get its first answer again.",
  },
  "too-many-followers": {
    status: 503,
    title: "Too many requests follow the log already",
    remedy: "Try again after Retry-After, or poll without `timeout`.",
  },
  overloaded: {
    status: 503,
    title: "There are too many requests at once",
    remedy: "Try again after Retry-After. Nothing of this request was written.",
  },
  "projection-failed": {
    status: 500,
    title: "The projection of the feed fails at an event of this subject",
    remedy: "Correct the projection that `detail` names, and restart or resume the feed.",
  },
  "feed-behind": {
    status: 503,
    title: "The feed is not projected far enough yet",
    remedy: "Try again after Retry-After; `progress` and the feed's status show its progress.",
  },
  "replica-behind": {
    status: 503,
    title: "The replica does not have the requested position yet",
    remedy:
      "Try again after Retry-After. To read the current state of the replica, omit Kilde-Position, or use an earlier cursor.",
  },
  "storage-full": {
    status: 507,
    title: "The disk is full",
    remedy: "Free disk space. Nothing of this request was written.",
  },
  "storage-unavailable": {
    status: 503,
    title: "The database is unavailable",
    remedy:
      "Try again after Retry-After, with the same Idempotency-Key: the write may have succeeded. Without a key, read the stream first.",
  },
  "shutting-down": {
    status: 503,
    title: "The server is shutting down",
    remedy: "Try again after Retry-After. Nothing of this request was written.",
  },
  internal: {
    status: 500,
    title: "Something went wrong inside Kilde",
    remedy: "Look up the request id in the server's log and report it.",
  },
} as const satisfies Record<ProblemCode, { status: number; title: string; remedy: string }>;
