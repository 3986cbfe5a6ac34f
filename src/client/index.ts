export { KildeError, type ProblemCode } from "../core/errors.ts";
export type { Timeouts } from "./deadline.ts";
export { type Retry } from "./retry.ts";
export { UnexpectedAnswerError } from "./unexpected-answer.ts";
export { KildeUnreachableError } from "./unreachable.ts";
export { UnreadableEventError } from "./unreadable-event.ts";
export type * from "./subscription-types.ts";
export type * from "./types.ts";
export { type Client, type ClientOptions, createClient } from "./client.ts";
