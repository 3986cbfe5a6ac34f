import { describe } from "bun:test";

import { concurrencyTests } from "../../log/concurrency.ts";
import { hasSqld } from "../../support/sqld.ts";
import { openServers } from "./servers.ts";

describe("two server processes on one file", () => concurrencyTests(() => openServers("file", 2), 5));

describe.skipIf(!hasSqld)("two server processes on one libSQL server", () =>
  concurrencyTests(() => openServers("sqld", 2), 5),
);
