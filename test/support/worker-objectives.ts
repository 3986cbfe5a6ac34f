import { defineConfig } from "kilde";

/* The configuration of a worker whose schedule compares consumers with their objectives. */

export default defineConfig({
  objectives: { consumers: { cards: { silent: "2m", contact: "#team-cards" } } },
});
