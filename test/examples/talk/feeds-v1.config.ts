import { defineConfig } from "kilde";

import { usersV1 } from "./users.ts";

export default defineConfig({ feeds: [usersV1] });
