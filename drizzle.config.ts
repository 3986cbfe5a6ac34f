import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "sqlite",
  schema: ["./src/log/schema.ts", "./src/feed/schema.ts", "./src/delivery/schema.ts"],
  out: "./migrations",
});
