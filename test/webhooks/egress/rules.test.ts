import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { createAddressRules } from "../../../src/webhooks/egress/address-rules.ts";
import { checkEndpoint, MOST_URL_LENGTH } from "../../../src/webhooks/egress/endpoint.ts";
import { checkHeaders, MOST_HEADER_LENGTH, MOST_HEADERS } from "../../../src/webhooks/egress/headers.ts";

const strict = createAddressRules([]);

/** Internal ranges, or ranges that represent other addresses: the first and the last address of each. */
const SPECIAL = [
  ["0.0.0.0", "0.255.255.255"],
  ["10.0.0.0", "10.255.255.255"],
  ["100.64.0.0", "100.127.255.255"],
  ["127.0.0.0", "127.255.255.255"],
  ["169.254.0.0", "169.254.255.255", "169.254.169.254"],
  ["172.16.0.0", "172.31.255.255"],
  ["192.0.0.0", "192.0.0.255"],
  ["192.0.2.0", "192.0.2.255"],
  ["192.88.99.0", "192.88.99.255"],
  ["192.168.0.0", "192.168.255.255"],
  ["198.18.0.0", "198.19.255.255"],
  ["198.51.100.0", "198.51.100.255"],
  ["203.0.113.0", "203.0.113.255"],
  ["224.0.0.0", "239.255.255.255"],
  ["240.0.0.0", "255.255.255.255"],
  ["::", "::1", "::7f00:1", "::a00:1"],
  ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1"],
  ["64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1"],
  ["100::", "100::ffff:ffff:ffff:ffff"],
  ["2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "2001:2::1", "2001:10::1", "2001:db8::1"],
  ["2002:7f00:1::1", "2002:808:808::1", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["3fff::1", "5f00::1", "4000::1"],
  ["fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::1%eth0"],
  ["fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["ff00::", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
].flat();

const PUBLIC = [
  "1.1.1.1",
  "8.8.8.8",
  "9.255.255.255",
  "11.0.0.0",
  "100.63.255.255",
  "100.128.0.0",
  "126.255.255.255",
  "128.0.0.0",
  "172.15.255.255",
  "172.32.0.0",
  "192.167.255.255",
  "192.169.0.0",
  "198.17.255.255",
  "198.20.0.0",
  "223.255.255.255",
  "2606:4700:4700::1111",
  "2a00:1450:4001:81b::200e",
];

describe("addresses", () => {
  test.each(SPECIAL)("%s is refused", (address) => {
    expect(strict.permits("a.test", address)).toBe(false);
  });

  test.each(PUBLIC)("%s is permitted", (address) => {
    expect(strict.permits("a.test", address)).toBe(true);
  });

  test.each(["", "localhost", "127.0.0.1:80", "1.2.3.4.5", "::g", "a.test"])(
    "%j is not an address",
    (address) => {
      expect(strict.permits("a.test", address)).toBe(false);
    },
  );

  test("no internal IPv4 address is permitted in any form of IPv6", () => {
    const inside = fc
      .tuple(fc.constantFrom(10, 127, 0), fc.nat(255), fc.nat(255), fc.nat(255))
      .map(([a, b, c, d]) => [((a << 8) | b).toString(16), ((c << 8) | d).toString(16)].join(":"));
    const form = fc.constantFrom(
      "::",
      "::ffff:",
      "::ffff:0:",
      "64:ff9b::",
      "64:ff9b:1::",
      "fe80::",
      "fec0::",
    );
    fc.assert(
      fc.property(inside, form, (address, prefix) => {
        expect(strict.permits("a.test", `${prefix}${address}`)).toBe(false);
        expect(strict.permits("a.test", `2002:${address}::1`)).toBe(false);
      }),
    );
  });
});

describe("the allow-list", () => {
  test("permits its entries, and nothing else", () => {
    const rules = createAddressRules(["10.0.0.0/8", "192.168.1.7", "fd00::/8", "hooks.internal"]);
    const permitted = (address: string, hostname = "a.test") => rules.permits(hostname, address);
    expect(
      ["10.0.0.0", "10.255.255.255", "192.168.1.7", "fd12::1", "::ffff:10.1.2.3"].filter(
        (a) => !permitted(a),
      ),
    ).toEqual([]);
    expect(["11.0.0.0", "8.8.8.8"].filter((a) => !permitted(a))).toEqual([]);
    expect(
      ["192.168.1.6", "127.0.0.1", "fc00::1", "::1", "64:ff9b::a00:1", "::ffff:127.0.0.1"].filter((a) =>
        permitted(a),
      ),
    ).toEqual([]);
    expect(permitted("127.0.0.1", "hooks.internal")).toBe(true);
    expect(permitted("127.0.0.1", "HOOKS.internal.")).toBe(true);
    expect(permitted("127.0.0.1", "a.hooks.internal")).toBe(false);
    expect(permitted("127.0.0.1", "hooks.internal.example")).toBe(false);
  });

  test("may permit everything", () => {
    const rules = createAddressRules(["*"]);
    expect(SPECIAL.filter((address) => !rules.permits("a.test", address))).toEqual([]);
  });

  test.each([
    "",
    " ",
    "10.0.0.0/33",
    "10.0.0/8",
    "10",
    "0x7f.1",
    "127.1",
    "*.internal",
    "a b",
    "http://a",
    "fd00::/129",
    "a..b",
    "-a",
  ])("%j is not a valid entry", (entry) => {
    expect(() => createAddressRules(["10.0.0.0/8", entry])).toThrow(TypeError);
  });
});

describe("the URL of an endpoint", () => {
  test.each([
    "http://2130706433/",
    "http://0x7f.1/",
    "http://017700000001/",
    "http://127.1/",
    "http://0/",
    "http://0x7f000001/",
    "http://127.0.0.1./",
    "http://１２７.0.0.1/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::1]/",
    "http://[2001::1]/",
    "http://[fec0::1]/",
    "http://[fd00::1]/",
    "http://[fe80::1]/",
    "https://169.254.169.254/latest/meta-data",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://a.localhost:8080/",
  ])("%s is internal", (url) => {
    expect(checkEndpoint(url, strict)).toBe(
      "must not be a private or special address, unless the server's settings allow it",
    );
    expect(checkEndpoint(url, createAddressRules(["*"]))).toBeNull();
  });

  test.each([
    ["ftp://a.test/", /http:\/\/ or https:\/\//],
    ["file:///etc/passwd", /http:/],
    ["javascript:alert(1)", /http:/],
    ["ws://a.test/", /http:/],
    ["/hook", /must be a URL/],
    ["", /must be a URL/],
    ["http://", /must be a URL/],
    ["http://a:b@a.test/", /user name or password/],
    ["http://a@a.test/", /user name or password/],
    ["http://:b@a.test/", /user name or password/],
    [`http://a.test/${"a".repeat(MOST_URL_LENGTH)}`, /at most 2048/],
  ])("%s is rejected", (url, reason) => {
    expect(checkEndpoint(url, createAddressRules(["*"]))).toMatch(reason);
  });

  test.each([
    "https://a.test/hook?x=1",
    "http://8.8.8.8:8080/",
    "http://[2606:4700::1]/",
    "https://user.localhost.example/",
  ])("%s is accepted", (url) => {
    expect(checkEndpoint(url, strict)).toBeNull();
  });
});

describe("headers of a subscription", () => {
  test("are accepted when they can be sent along", () => {
    expect(checkHeaders({})).toBeNull();
    expect(
      checkHeaders({ authorization: "Bearer a b\tc", "X-Tenant": "", "user-agent": "me/1.0 (~)" }),
    ).toBeNull();
  });

  test.each(["a\rb", "a\nb", "a\r\nx: y", "a\0b", "æ", "a\u007f", "\u2028", " a", "a ", "\ta"])(
    "are rejected with the value %j",
    (value) => {
      expect(checkHeaders({ "x-a": value })).toMatch(/must be ASCII/);
    },
  );

  test.each(["", " ", "a b", "a:b", "a\r\n", "a\0", "ærø", "(a)", "a\n"])(
    "are rejected with the name %j",
    (name) => {
      expect(checkHeaders({ [name]: "x" })).toMatch(/is not a header name/);
    },
  );

  test.each([
    "host",
    "Host",
    "Content-Length",
    "content-type",
    "connection",
    "Transfer-Encoding",
    "webhook-id",
    "Webhook-Signature",
    "WEBHOOK-anything",
    "proxy-authorization",
    "accept-encoding",
    "upgrade",
  ])("are rejected with the name %s, which is reserved for the sender", (name) => {
    expect(checkHeaders({ [name]: "x" })).toMatch(/is set by the sender/);
  });

  test("a fault is reported without the value, which may be a secret", () => {
    expect(checkHeaders({ authorization: "Bearer abc123\n" })).not.toContain("abc123");
  });

  test("have limits that are exact", () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, "a"]));
    expect(checkHeaders(many(MOST_HEADERS))).toBeNull();
    expect(checkHeaders(many(MOST_HEADERS + 1))).toMatch(/at most 32/);
    expect(checkHeaders({ "x-a": "a".repeat(MOST_HEADER_LENGTH - 3) })).toBeNull();
    expect(checkHeaders({ "x-a": "a".repeat(MOST_HEADER_LENGTH - 2) })).toMatch(/at most 4096/);
    expect(checkHeaders({ "x-a": "1", "X-A": "2" })).toMatch(/twice/);
  });

  test("fetch accepts every valid header, and sends it on one line", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string({ unit: "binary" })), (headers) => {
        if (checkHeaders(headers) !== null) return;
        for (const [name, value] of new Headers(headers)) expect(`${name}${value}`).not.toMatch(/[\r\n\0]/);
      }),
    );
  });
});
