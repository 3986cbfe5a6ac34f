/**
 * An endpoint that takes Kilde's webhooks, in Hono. A real one keeps its state in its database instead of in
 * memory, and writes it in the transaction that handles the event.
 */
import { Hono } from "hono";
import { consent, receive, WebhookError } from "kilde/webhook";

interface UserRegistered {
  readonly name: string;
}

export function createReceiver(secrets: readonly string[]) {
  const names = new Map<string, string>();
  const versions = new Map<string, number>();
  const app = new Hono();

  app.on("OPTIONS", "/hook", ({ req }) => consent(req.raw, { origins: ["kilde.example.org"] }));

  app.post("/hook", async ({ req, body }) => {
    const delivery = await receive<UserRegistered>(req.raw, secrets);
    if (delivery.kind === "events") {
      for (const event of delivery.events) {
        // A stream of which nothing was received may have events from before the subscription's `start`.
        const version = versions.get(event.subject) ?? event.previousSequence;
        // Deliveries come at least once.
        if (event.version <= version) continue;
        // An earlier event is missing: refused, so Kilde delivers it again after the earlier one.
        if (event.previousSequence > version) return body(null, 409);
        names.set(event.subject, event.data.name);
        versions.set(event.subject, event.version);
      }
    }
    return body(null, 204);
  });

  app.onError((error) => {
    if (error instanceof WebhookError) return error.response();
    throw error;
  });

  return { app, names };
}
