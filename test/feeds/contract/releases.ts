import { z } from "zod";

import { compileFeed } from "../../../src/feeds/define/compile.ts";
import type { AnyFeedDefinition } from "../../../src/feeds/define/define.ts";
import { registerFeeds } from "../../../src/feeds/lifecycle/register.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { appForEachTest, type OpenedApp } from "../../support/app-for-each-test.ts";
import { openProjection, type Projection } from "../../support/projection.ts";

export const PATH = "/feeds/declarations/v1";

export type Variation = Partial<AnyFeedDefinition>;

export const amount = z.object({ amount: z.number() });
export const both = amount.extend({ currency: z.string() });
export const written = { amount: 1, currency: "DKK" };

/** A release that publishes what `In` holds, by this contract. */
export function release(contract: z.ZodType, more: Variation = {}): AnyFeedDefinition {
  return {
    name: "declarations",
    version: 1,
    events: { In: z.any() },
    contract: { Paid: contract },
    publish: { In: ({ data }: { data: unknown }) => ({ type: "Paid", data }) },
    ...more,
  };
}

export const state = ({ feeds, get }: Projection) => feeds.state(get(PATH));
export const served = ({ feeds, get }: Projection) =>
  feeds.schemas([get(PATH)]).then((all) => all.get(get(PATH)));

/** Opens an app for each test, as `appForEachTest`, and returns functions that run releases on its database. */
export function releasesForEachTest(use: (opened: OpenedApp) => void) {
  let opened: OpenedApp;
  appForEachTest((next) => {
    opened = next;
    use(next);
  });
  const open = (contract: z.ZodType, more: Variation = {}): Promise<Projection> =>
    openProjection({ database: opened.database, writer: opened.app.store.writer }, [
      compileFeed(release(contract, more)),
    ]);
  return {
    open,
    /** Starts a release, as a server does; returns its error, or null. */
    async start(contract: z.ZodType, more: Variation = {}): Promise<unknown> {
      try {
        await registerFeeds(opened.database, systemClock, [compileFeed(release(contract, more))]);
        return null;
      } catch (error) {
        return error;
      }
    },
    /** Starts a release, which projects everything. */
    async project(contract: z.ZodType, more: Variation = {}): Promise<Projection> {
      const projection = await open(contract, more);
      await projection.drain();
      return projection;
    },
    pay: (data: unknown) => opened.app.append("s", { type: "In", data }),
  };
}
