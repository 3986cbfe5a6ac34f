import { afterAll, beforeAll, expect } from "bun:test";

import type { Page } from "playwright-core";

import { eventually } from "../../support/eventually.ts";
import { browserTest, hasBrowser, useBrowser } from "./chromium.ts";
import { type ConsoleServer, openConsoleServer } from "./console-server.ts";

const MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>";

/** Names that a page could take for markup, code, an address, or a member of an object. */
const NAMES = [
  MARKUP,
  `"><svg onload=alert(3)>`,
  "javascript:alert(4)",
  "__proto__",
  "constructor",
  "user-\u202Egpj.exe",
  "user-\u2066\u2067x",
  "console/feeds?name=x#y",
  "a%2Fb%00c",
  "{{7*7}}${7*7}",
  "👩‍👩‍👧‍👦\u0301\uFEFF",
  " ",
];

const PAYLOADS: readonly unknown[] = [
  { text: `</script>${MARKUP}`, nul: "a\u0000b\u001B[31m", bidi: "\u202Eevil" },
  JSON.parse('{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"hacked":true}}}'),
  [MARKUP, null, 1e308, -0, "\uD83D\uDE00"],
  MARKUP,
];

const browser = useBrowser();
let server: ConsoleServer;
beforeAll(async () => {
  if (!hasBrowser) return;
  server = await openConsoleServer({ environment: { KILDE_LIMIT_EVENT_BYTES: "6000000" } });
  for (const name of NAMES)
    await server.client.append(
      name,
      PAYLOADS.map((data) => ({ type: name.slice(0, 100), data, metadata: { user: MARKUP } })),
    );
});
afterAll(() => server?.close());

/** Fails if anything became an element or an object's member that should have been a text. */
async function expectOnlyText(page: Page): Promise<void> {
  const found = await page.evaluate(() => ({
    elements: document.querySelectorAll(
      "img, main svg:not([aria-label], [role]), main script, iframe, [onerror], [onload]",
    ).length,
    addresses: [...document.querySelectorAll("a")].filter(({ protocol }) => !/^https?:$/.test(protocol))
      .length,
    members: [({} as { isAdmin?: boolean }).isAdmin, ({} as { hacked?: boolean }).hacked],
  }));
  expect(found).toEqual({ elements: 0, addresses: 0, members: [undefined, undefined] });
}

browserTest("hostile names are texts in the list of streams, and lead to their streams", async () => {
  const page = await browser.open(`${server.url}/console/streams`);
  for (const name of NAMES) {
    const link = page
      .getByRole("row")
      .getByRole("link")
      .filter({ hasText: name.trim() === "" ? /^\s*$/ : name });
    const href = (await link.first().getAttribute("href")) ?? "";
    expect(new URL(href, server.url).searchParams.get("name")).toBe(name);
  }
  await expectOnlyText(page);
});

browserTest.each(["/stream?", "/stream?form=raw&", "/subject?"])(
  "events of hostile streams are texts at %s",
  async (view) => {
    const page = await browser.open(`${server.url}/console`);
    for (const name of NAMES) {
      await page.goto(`${server.url}/console${view}name=${encodeURIComponent(name)}`);
      await page.getByText("onerror=alert(1)").first().waitFor();
      await page.getByText("isAdmin").first().waitFor();
      await expectOnlyText(page);
      expect(await page.getByRole("heading", { level: 1 }).textContent()).toContain(name.trim());
    }
  },
);

/** Attempts of code that got into the page. */
const ATTEMPTS: Readonly<Record<string, () => unknown>> = {
  "an inline script": () => {
    const script = document.createElement("script");
    script.append("globalThis.hacked = true");
    document.body.append(script);
  },
  "an attribute with code": () => document.body.setAttribute("onclick", "globalThis.hacked = true"),
  "markup from text": () => {
    document.body.innerHTML = "<img src=x onerror='globalThis.hacked = true'>";
  },
  "an image of another host": () => {
    document.body.append(Object.assign(new Image(), { src: "http://example.com/x.png" }));
  },
  "a request to another host": () => fetch("http://example.com/"),
};

browserTest.each(Object.entries(ATTEMPTS))(
  "the policy refuses %s, and the tests notice",
  async (_, attempt) => {
    const page = await browser.open(`${server.url}/console`, { expectedFaults: /./ });
    const reported = page.waitForEvent("console", (message) => message.text().startsWith("Policy: "));
    // The page refuses some of them with an error, and others in silence.
    await page.evaluate(attempt).catch(() => {});
    await reported;
    await page.locator("body").click();
    expect(await page.evaluate(() => (globalThis as { hacked?: boolean }).hacked)).toBeUndefined();
  },
);

browserTest("hostile addresses of views, names and filters are texts", async () => {
  const value = encodeURIComponent(MARKUP);
  const page = await browser.open(`${server.url}/console`, { expectedFaults: /status of 400/ });
  for (const address of [
    `/${value}`,
    `/feeds/${value}/v1`,
    `/streams?prefix=${value}`,
    `/stream?name=x&asOf=${value}&version=${value}`,
  ]) {
    await page.goto(`${server.url}/console${address}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.getByText("Loading…").waitFor({ state: "hidden" });
    await expectOnlyText(page);
  }
});

browserTest("a hostile consumer is a text among the consumers", async () => {
  for (const name of NAMES.filter((each) => each.trim() !== ""))
    await server.client.commit(1, { consumer: name });
  const page = await browser.open(`${server.url}/console/consumers`);
  await page.getByRole("link", { name: MARKUP }).waitFor();
  await expectOnlyText(page);
});

browserTest("hostile descriptions, reasons and answers of an endpoint are texts", async () => {
  const endpoint = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response(MARKUP, { status: 422, headers: { "content-type": "text/html" } }),
  });
  const { subscriptions } = server.client;
  const { subscription } = await subscriptions.create({
    source: "/events",
    url: endpoint.url.href,
    description: MARKUP,
    start: "beginning",
    attempts: 1,
    keepAttempts: 10,
  });
  await eventually(async () => (await subscriptions.get(subscription)).blocked === NAMES.length);
  await subscriptions.pause(subscription, MARKUP);
  await endpoint.stop(true);
  const page = await browser.open(`${server.url}/console/webhooks/${subscription}`);
  await page.getByRole("heading", { level: 1, name: MARKUP }).waitFor();
  await page.locator("summary").filter({ hasText: "status 422" }).first().click();
  await page.getByRole("main").locator("pre").filter({ hasText: MARKUP }).first().waitFor();
  await expectOnlyText(page);
  for (const address of ["/webhooks", ""]) {
    await page.goto(`${server.url}/console${address}`);
    await page.getByText(MARKUP).first().waitFor();
    await expectOnlyText(page);
  }
});

browserTest("hostile texts in the form of a subscription are texts, and so is the subscription", async () => {
  const page = await browser.open(`${server.url}/console/webhooks?source=${encodeURIComponent(MARKUP)}`, {
    expectedFaults: /status of 4\d\d/,
  });
  await page.getByRole("button", { name: "Create a subscription…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Log", { exact: true }).selectOption("Event log");
  await dialog.getByLabel("Endpoint").fill(`http://192.168.0.1/?${MARKUP}`);
  await dialog.getByLabel(/Description/).fill(`form ${MARKUP}`);
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.getByRole("alert").waitFor();
  await expectOnlyText(page);
  await dialog.getByLabel("Endpoint").fill(`http://127.0.0.1:9/?${MARKUP}`);
  await dialog.getByRole("button", { name: "Create" }).click();
  await page
    .getByRole("code")
    .filter({ hasText: /^whsec_/ })
    .waitFor();
  await page.goto(`${server.url}/console/webhooks`);
  await page.getByRole("link", { name: `form ${MARKUP}` }).waitFor();
  await expectOnlyText(page);
});

browserTest("an integer that JavaScript rounds is shown as it was appended", async () => {
  const { exitCode } = await server.kilde("append", "exact-1", "Exact", '{"id":9007199254740993}');
  expect(exitCode).toBe(0);
  const page = await browser.open(`${server.url}/console`);
  for (const view of ["stream", "subject"]) {
    await page.goto(`${server.url}/console/${view}?name=exact-1`);
    await page.getByText('"id": 9007199254740993').waitFor();
    expect(await page.getByText("Browsers round").count()).toBe(0);
  }
});

/** Time until the browser has laid out the page. */
function layoutMs(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const start = performance.now();
    document.body.getBoundingClientRect();
    await new Promise((resolve) => {
      requestAnimationFrame(() => requestAnimationFrame(resolve));
    });
    return performance.now() - start;
  });
}

browserTest("an event of 5 MB leaves the page usable, also when all of it is shown", async () => {
  const data = { text: "x".repeat(5_000_000), end: MARKUP };
  await server.client.append("large-1", { type: "Small", data: { text: "before" } });
  await server.client.append("large-1", { type: "Large", data });
  const page = await browser.open(`${server.url}/console/stream?name=large-1`);
  await page.getByRole("heading", { name: "Large" }).waitFor();
  expect(await page.evaluate(() => document.body.textContent.length)).toBeLessThan(100_000);
  expect(await layoutMs(page)).toBeLessThan(1_000);
  await page.getByRole("button", { name: "Show all" }).click();
  await page.getByText("onerror=alert(1)").waitFor();
  console.log(`5 MB are laid out after ${Math.round(await layoutMs(page))} ms`);
  await expectOnlyText(page);
  await page.getByRole("navigation").getByRole("link", { name: "Overview" }).click();
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
});
