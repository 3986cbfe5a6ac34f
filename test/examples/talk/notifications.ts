import { runService, serviceArguments } from "./consuming-service.ts";

/* The notifications service, which comes later, and follows the feed by itself. */
await runService(serviceArguments("notifications", "sse"));
