import { expect, test } from "bun:test";

import { consoleAssets } from "../../../src/runtime/worker/console-assets.ts";

const ENTRY = { script: "start-1.js", style: "console-1.css", icon: "icon-1.svg" };

/** A binding of static assets, as Cloudflare has it. */
const ASSETS = {
  fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const texts: Readonly<Record<string, string>> = {
      "/console/entry.json": JSON.stringify(ENTRY),
      "/console/start-1.js": "start()",
    };
    const text = texts[pathname];
    const headers = { "content-type": "text/javascript" };
    return Promise.resolve(
      text === undefined ? new Response(null, { status: 404 }) : new Response(text, { headers }),
    );
  },
};

test("console assets: a worker serves the files of its binding, and nothing outside of their folder", async () => {
  const files = consoleAssets({ ASSETS });
  expect(await files?.entry()).toEqual(ENTRY);
  const file = await files?.find("start-1.js");
  expect(file?.mediaType).toBe("text/javascript");
  expect(await new Response(file?.body()).text()).toBe("start()");
  expect(await files?.find("start-0.js")).toBeUndefined();
  expect(await files?.find("../console/start-1.js")).toBeUndefined();
});

test("console assets: a worker without the binding, or without bindings, has no console", () => {
  for (const bindings of [undefined, null, {}, { ASSETS: "text" }])
    expect(consoleAssets(bindings)).toBeNull();
});
