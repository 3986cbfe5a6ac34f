import { describe } from "bun:test";

import { file, memory, threadedFile } from "../support/app.ts";
import { openCluster } from "../support/store.ts";
import { concurrencyTests } from "./concurrency.ts";

describe("one store in memory", () => concurrencyTests(() => openCluster(memory, 1), 10));
describe("one store on a file", () => concurrencyTests(() => openCluster(file, 1), 10));
describe("three stores on one file", () => concurrencyTests(() => openCluster(file, 3), 20));
describe("one store on a file, written from a thread", () =>
  concurrencyTests(() => openCluster(threadedFile, 1), 20));
describe("three stores on one file, written from threads", () =>
  concurrencyTests(() => openCluster(threadedFile, 3), 20));
