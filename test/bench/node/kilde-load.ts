import * as work from "../workload.ts";
import { serveOperations } from "./serve-operations.ts";

/*
 * Load through the client as npm installs it: `node kilde-load.js PORT URL`. The package is found beside this file when
 * it runs, so that the runtime chooses the client's transport as it does for users.
 */

const [, , port, url = ""] = process.argv;
const { createClient } = await import("kilde/client");
const kilde = createClient({ url });

/** Made before anything is timed. */
const EVENTS = work
  .eventsOf(0, work.STREAMS)
  .map(({ type, data }) => ({ type, data: JSON.parse(data) as unknown }));

serveOperations(Number(port), {
  async append() {
    const n = work.randomBelow(work.STREAMS);
    await kilde.append(work.streamName(work.randomBelow(work.STREAMS)), EVENTS[n] ?? []);
    return 1;
  },
  async readStream() {
    let events = 0;
    const stream = work.streamName(work.randomBelow(work.HISTORY_STREAMS));
    for await (const event of kilde.read({ stream })) if (event.data !== undefined) events += 1;
    if (events !== work.HISTORY_VERSIONS) throw new Error(`${events} events of ${stream}`);
    return events;
  },
});
