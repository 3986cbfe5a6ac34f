import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "sqlite",
  schema: [
    "./src/access/schema.ts",
    "./src/administration/schema.ts",
    "./src/log/schema.ts",
    "./src/feeds/schema.ts",
    "./src/webhooks/schema.ts",
  ],
  out: "./migrations",
});
