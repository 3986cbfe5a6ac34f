import { runService, serviceArguments } from "./consuming-service.ts";

/* The cards service. It is told of users by webhooks, over a path that loses some. */
await runService(serviceArguments("cards", "push"));
