import type { DeliveryAttempt } from "../../client/subscription-types.ts";

/** The request of an attempt as HTTP writes it: its line, its headers, and its body. */
export function requestText({ url, headers, body }: NonNullable<DeliveryAttempt["request"]>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [
    `POST ${url}`,
    ...lines,
    "",
    body ?? "(The body is not kept: it is large, or its events were erased.)",
  ].join("\n");
}
