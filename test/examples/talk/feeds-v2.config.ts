import { defineConfig } from "kilde";

import { usersV1, usersV2 } from "./users.ts";

export default defineConfig({ feeds: [usersV1, usersV2] });
