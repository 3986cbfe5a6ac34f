import { runService, serviceArguments } from "./consuming-service.ts";

/* The cards service. It receives events of users by webhooks, over a path that loses some. */
await runService(serviceArguments("cards", "push"));
