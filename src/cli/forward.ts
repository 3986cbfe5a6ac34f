import type { Outgoing, Send } from "../webhooks/egress/outgoing.ts";
import type { Signer } from "../webhooks/signing/sign.ts";
import { HEADER, MEDIA_TYPE } from "../webhooks/signing/wire.ts";
import type { CliContext } from "./context.ts";
import { escapeLine } from "./control-characters.ts";

/** A delivery of one event, the same for each attempt. */
export interface Forwarded {
  /** `webhook-id` */
  readonly id: string;
  readonly body: string;
  /** Name in the terminal output. */
  readonly title: string;
}

export interface ForwardDeps {
  readonly context: CliContext;
  readonly send: Send;
  readonly sign: Signer;
  readonly url: string;
  /** Ends the attempts. */
  readonly signal: AbortSignal;
}

/** Short, because a person waits who has just corrected the failure. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
/** Upper bound for a receiver's `Retry-After`. */
const LONGEST_ASKED_MS = 60_000;

function request({ context, sign, url }: ForwardDeps, { id, body }: Forwarded): Outgoing {
  const timestamp = Math.floor(context.clock.now() / 1_000);
  return {
    method: "POST",
    url,
    headers: {
      "content-type": MEDIA_TYPE.event,
      [HEADER.id]: id,
      [HEADER.timestamp]: String(timestamp),
      [HEADER.signature]: sign({ id, timestamp, body }),
    },
    body,
  };
}

/** Delay after a failed attempt: doubling, half of it random, and at least the receiver's `Retry-After`. */
function waitMs(attempt: number, retryAfter: string | null, { random }: CliContext): number {
  const asked = Math.min(Number(retryAfter ?? "0") * 1_000, LONGEST_ASKED_MS);
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1));
  return Math.round(Math.max(Number.isFinite(asked) ? asked : 0, wait / 2 + (wait / 2) * random()));
}

/** Delivers until the receiver answers 2xx. False: the signal aborted first. */
export async function forward(deps: ForwardDeps, forwarded: Forwarded): Promise<boolean> {
  const { context, send, signal } = deps;
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    let answer;
    try {
      answer = await send(request(deps, forwarded), signal);
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
    const outcome = answer.kind === "answered" ? String(answer.status) : answer.category;
    const line = escapeLine(`${outcome}  ${forwarded.title}  (${answer.durationMs} ms)`);
    if (answer.kind === "answered" && answer.status >= 200 && answer.status < 300) {
      await context.stdout.write(`${line}\n`);
      return true;
    }
    const wait = waitMs(attempt, answer.kind === "answered" ? answer.header("retry-after") : null, context);
    await context.stdout.write(`${line}, attempt ${attempt}; again in ${wait} ms\n`);
    await context.clock.sleep(wait, signal);
  }
  return false;
}
