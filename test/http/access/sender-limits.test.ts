import { afterEach, expect, test } from "bun:test";

import { ANONYMOUS, type Principal } from "../../../src/access/principal.ts";
import { KildeError } from "../../../src/core/errors.ts";
import { createSenderRates, limitSenders } from "../../../src/http/pipeline/sender-limits.ts";
import { addressKey, forwardedAddress } from "../../../src/http/pipeline/sender-address.ts";
import { openApp, type TestApp } from "../../support/app.ts";
import { createTestKey } from "../../support/keys.ts";
import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";

const open: TestApp[] = [];
afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["192.0.2.7:4711", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:DB8:0001:2::9", "2001:db8:1:2::/64"],
  ["[2001:db8:1:2::9]:4711", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["unknown", "unknown"],
  ["x".repeat(10_000), "x".repeat(64)],
])("the address %p counts as %p", (address, key) => {
  expect(addressKey(address)).toBe(key);
});

test.each([
  [{ "X-Forwarded-For": "203.0.113.1, 198.51.100.2" }, "198.51.100.2"],
  [{ "X-Forwarded-For": "198.51.100.2" }, "198.51.100.2"],
  [{ Forwarded: 'for=203.0.113.1, for="[2001:db8::1]:4711";proto=https' }, "[2001:db8::1]:4711"],
  [{ Forwarded: "proto=https; For=198.51.100.2" }, "198.51.100.2"],
  [{ Forwarded: "proto=https" }, null],
  [{ "X-Forwarded-For": "" }, null],
  [{}, null],
])("the address that the proxy in front appended to %p counts: %p", (headers, address) => {
  expect(forwardedAddress({ headers: new Headers(headers as Record<string, string>) })).toBe(address);
});

/** Senders whose token is `valid` or not, from the address in a header. */
function limited(requestsPerSecond = 0) {
  let nowMs = 0;
  const known: Principal = { ...ANONYMOUS, kind: "key", name: "cards" };
  const authenticate = limitSenders(
    ({ headers }) =>
      headers.get("authorization") === "valid"
        ? { principal: known, refusal: null }
        : {
            principal: ANONYMOUS,
            refusal: new KildeError("unauthenticated", "Not valid", { credentials: "invalid" }),
          },
    {
      rates: createSenderRates(requestsPerSecond),
      clock: { monotonic: () => nowMs },
      addressOf: ({ headers }) => headers.get("address"),
    },
  );
  return {
    async send(authorization: string, address: string) {
      const request = new Request("http://kilde.test/", { headers: { authorization, address } });
      const { refusal } = await authenticate(request);
      return refusal?.code ?? "admitted";
    },
    pass(ms: number) {
      nowMs += ms;
    },
  };
}

test("failures are limited by address, and never keep valid credentials or other addresses out", async () => {
  const { send, pass } = limited();
  const codes = new Set<string>();
  for (let n = 0; n < 20; n += 1) codes.add(await send("wrong", `2001:db8::${n}`));
  expect(codes).toEqual(new Set(["unauthenticated"]));
  for (let n = 0; n < 100; n += 1) expect(await send("wrong", "2001:db8::1")).toBe("too-many-failures");
  expect(await send("valid", "2001:db8::1")).toBe("admitted");
  expect(await send("wrong", "2001:db8:0:1::1")).toBe("unauthenticated");
  pass(3_000);
  expect(await send("wrong", "2001:db8::7")).toBe("unauthenticated");
  expect(await send("wrong", "2001:db8::7")).toBe("too-many-failures");
});

test("valid credentials cost nothing of what an address may fail", async () => {
  const { send } = limited();
  for (let n = 0; n < 1_000; n += 1) await send("valid", "192.0.2.7");
  expect(await send("wrong", "192.0.2.7")).toBe("unauthenticated");
});

test("limits.requestsPerSecond limits each principal alone, and each answer states how much is left", async () => {
  const app = await openApp({ limits: { ...DEFAULT_LIMITS, requestsPerSecond: 5 } });
  open.push(app);
  const busy = await createTestKey(app, ["admin"]);
  const calm = await createTestKey(app, ["admin"]);
  const answers: Response[] = [];
  for (let n = 0; n < 20; n += 1) answers.push(await busy.fetch("/events"));
  expect(answers[0]?.headers.get("ratelimit-policy")).toBe('"requests";q=5;w=1');
  expect(answers[0]?.headers.get("ratelimit")).toBe('"requests";r=4;t=1');
  const refused = answers.find(({ status }) => status === 429);
  expect(refused?.headers.get("ratelimit")).toBe('"requests";r=0;t=1');
  expect(refused?.headers.get("retry-after")).toBe("1");
  expect(await refused?.json()).toMatchObject({
    type: "/problems/too-many-requests",
    limit: "requestsPerSecond",
  });
  expect((await calm.fetch("/events")).status).toBe(200);
  expect((await busy.fetch("/health")).status).toBe(200);
});

test("without the setting, requests are not limited, and no answer has RateLimit", async () => {
  const app = await openApp();
  open.push(app);
  const key = await createTestKey(app, ["admin"]);
  for (let n = 0; n < 100; n += 1) {
    const { status, headers } = await key.fetch("/events");
    expect([status, headers.get("ratelimit"), headers.get("ratelimit-policy")]).toEqual([200, null, null]);
  }
});
