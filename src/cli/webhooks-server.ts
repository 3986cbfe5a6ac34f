import type { Subscription, Subscriptions } from "../client/subscription-types.ts";
import type { CliContext } from "./context.ts";
import type { ServerFlags } from "./options.ts";
import { withServer } from "./server.ts";

export interface WebhookFlags extends ServerFlags {
  readonly json?: boolean;
}

/** Calls `use` with the subscriptions of the server that `--url` or `KILDE_URL` names. */
export function withSubscriptions<Result>(
  context: CliContext,
  flags: WebhookFlags,
  use: (subscriptions: Subscriptions) => Promise<Result>,
): Promise<Result> {
  return withServer(context, flags, ({ client }) => use(client.subscriptions));
}

/** Prints the result, in words or as JSON. */
export async function print(
  { stdout }: CliContext,
  { json }: WebhookFlags,
  value: unknown,
  text: string,
): Promise<void> {
  await stdout.write(json === true ? `${JSON.stringify(value)}\n` : text);
}

/** The state of a subscription in a few words. */
export function statusText({ status, reason, rewind }: Subscription): string {
  const rewound = rewind === null ? [] : [`rewinding ${rewind.after + 1}–${rewind.upTo}`];
  const notes = [...(reason === null ? [] : [reason]), ...rewound];
  return notes.length === 0 ? status : `${status} (${notes.join("; ")})`;
}
