export type { KildeEvent, Metadata } from "../../core/read-event.ts";
export { consent, type ConsentOptions } from "./consent.ts";
export type { Delivery, ReceivedEvent } from "./delivery.ts";
export { receive, type ReceiveOptions } from "./receive.ts";
export { WebhookError, type WebhookErrorCode } from "./webhook-error.ts";
