import { runService, serviceArguments } from "./consuming-service.ts";

/* The notifications service, which starts later, and follows the feed without a broker. */
await runService(serviceArguments("notifications", "sse"));
