import { describe, expect, test } from "bun:test";

import fc from "fast-check";

import { type Grant, grantText, parseGrant, GRANT_VERBS } from "../../src/access/grant.ts";
import {
  covers,
  type AccessNeed,
  needOf,
  NEEDS_ADMIN,
  needText,
  subjectPrefixes,
} from "../../src/access/need.ts";

function parsed(text: string): Grant {
  const grant = parseGrant(text);
  if ("fault" in grant) throw new Error(`${text} ${grant.fault}`);
  return grant;
}

/** Few letters, so that names are often prefixes of each other. */
const name = fc
  .string({ unit: fc.constantFrom("a", "b", "-", "/"), minLength: 1, maxLength: 4 })
  .filter((text) => !text.startsWith("/") && !text.endsWith("/") && !text.includes("//"));
const feed = fc.constantFrom("a", "ab", "a-b", "b", "b2");
const version = fc.constantFrom("v1", "v2", "v12");
const query = fc.option(name, { nil: "" }).map((prefix) => (prefix === "" ? "" : `?subjectPrefix=${prefix}`));

const feedPath = fc.oneof(
  fc.constant("/feeds"),
  fc.tuple(feed, fc.constantFrom("", "*")).map(([text, star]) => `/feeds/${text}${star}`),
  fc
    .tuple(feed, version, fc.constantFrom("", "*"))
    .map((parts) => `/feeds/${parts[0]}/${parts[1]}${parts[2]}`),
  fc.constantFrom("/feeds/*", "/feeds/a/*", "/feeds/a/v*", "/feeds/a-*"),
);
const streamPath = fc.oneof(
  fc.constantFrom("/streams", "/streams/*"),
  fc.tuple(name, fc.constantFrom("", "*")).map(([text, star]) => `/streams/${text}${star}`),
);

/** Texts of valid grants. */
const validText = fc.oneof(
  fc.constant("admin"),
  fc.tuple(fc.constantFrom("append:", "read:", "erase:"), streamPath).map((parts) => parts.join("")),
  query.map((text) => `read:/events${text}`),
  fc.tuple(feedPath, query).map((parts) => `read:${parts.join("")}`),
  feedPath.map((path) => `manage:${path}`),
  fc.constantFrom(
    "manage:/events",
    "manage:/subscriptions",
    "manage:/operations",
    "read:/operations",
    "read:/metrics",
  ),
);

const need: fc.Arbitrary<AccessNeed> = fc.oneof(
  fc.constant(NEEDS_ADMIN),
  fc
    .tuple(fc.constantFrom("append", "read", "erase"), name)
    .map(([verb, text]) => needOf(verb, `/streams/${text}`)),
  fc
    .tuple(fc.constantFrom("/events", "/streams"), fc.option(name, { nil: "" }))
    .map(([path, prefix]) => needOf("read", path, prefix)),
  fc
    .tuple(feed, version, fc.option(name, { nil: "" }))
    .map(([text, number, prefix]) => needOf("read", `/feeds/${text}/${number}`, prefix)),
  fc.tuple(feed, version).map(([text, number]) => needOf("manage", `/feeds/${text}/${number}`)),
  fc.constantFrom(
    needOf("manage", "/events"),
    needOf("manage", "/subscriptions"),
    needOf("read", "/operations"),
    needOf("read", "/metrics"),
  ),
);

/** Reading the event log is reading all streams, or those under a prefix. */
const asStreams = (text: string) =>
  text
    .replace(/^read:\/(?:events|streams)\?subjectPrefix=(.*)$/, "read:/streams/$1*")
    .replace(/^read:\/(?:events|streams)$/, "read:/streams/*");

/** The same rule, on texts alone. */
function naiveCovers(grantAs: string, needed: AccessNeed): boolean {
  if (grantAs === "admin") return true;
  if (needed.verb === "admin") return false;
  const prefix = needed.subjectPrefix === "" ? "" : `?subjectPrefix=${needed.subjectPrefix}`;
  const wanted = asStreams(`${needed.verb}:${needed.path}${prefix}`);
  const given = asStreams(grantAs);
  if (given.includes(":/streams")) {
    const all = given.replace(/:\/streams$/, ":/streams/*");
    return all.endsWith("*") ? wanted.startsWith(all.slice(0, -1)) : wanted === all;
  }
  const [givenPath = "", givenPrefix = ""] = given.split("?subjectPrefix=");
  const [wantedPath = "", wantedPrefix = ""] = wanted.split("?subjectPrefix=");
  const isBelow = givenPath.endsWith("*")
    ? wantedPath.startsWith(givenPath.slice(0, -1))
    : `${wantedPath}/`.startsWith(`${givenPath}/`);
  return isBelow && wantedPrefix.startsWith(givenPrefix);
}

describe("grants", () => {
  test("a valid text is the text form of the grant that it parses to", () => {
    fc.assert(
      fc.property(validText, (text) => expect(grantText(parsed(text))).toBe(text)),
      { numRuns: 2_000 },
    );
  });

  test("a need is covered exactly if a rule on texts covers it", () => {
    let covered = 0;
    fc.assert(
      fc.property(fc.array(validText, { maxLength: 3 }), need, (texts, needed) => {
        const expected = texts.some((text) => naiveCovers(text, needed));
        covered += expected ? 1 : 0;
        expect(covers(texts.map(parsed), needed)).toBe(expected);
      }),
      { numRuns: 20_000 },
    );
    expect(covered).toBeGreaterThan(1_000);
  });

  test("a subject of a log is within the granted prefixes exactly if reading it is covered", () => {
    const log = fc.oneof(
      fc.constant("/events"),
      fc.tuple(feed, version).map((parts) => `/feeds/${parts.join("/")}`),
    );
    fc.assert(
      fc.property(fc.array(validText, { maxLength: 4 }), log, name, (texts, path, subject) => {
        const grants = texts.map(parsed);
        const prefixes = subjectPrefixes(grants, path);
        expect(prefixes?.some((prefix) => subject.startsWith(prefix)) ?? false).toBe(
          covers(grants, needOf("read", path, subject)),
        );
        for (const prefix of prefixes ?? []) expect(covers(grants, needOf("read", path, prefix))).toBe(true);
      }),
      { numRuns: 10_000 },
    );
  });

  test("a need prints as a grant that covers it, whatever names it has", () => {
    const anyName = fc.string({ unit: "binary", minLength: 1, maxLength: 8 });
    const spelled = fc.oneof(anyName, fc.string({ unit: fc.constantFrom("*", "/", "?", "a", ".") }));
    const anyNeed = fc.oneof(
      need,
      fc
        .tuple(fc.constantFrom(...GRANT_VERBS.slice(0, 3)), spelled)
        .map(([verb, text]) => needOf(verb, `/streams/${text}`)),
      spelled.map((text) => needOf("read", "/events", text)),
      spelled.map((text) => needOf("read", "/feeds/a/v2", text)),
    );
    fc.assert(
      fc.property(anyNeed, (needed) => {
        expect(covers([parsed(needText(needed))], needed)).toBe(true);
      }),
      { numRuns: 10_000 },
    );
  });

  test("a need of a name that no grant can spell prints soon and briefly, however long the name is", () => {
    const began = performance.now();
    for (const unit of ["*", "a", "a/", "\u0000", "\u{1F600}"]) {
      const long = unit.repeat(15_000 / unit.length);
      for (const needed of [
        needOf("append", `/streams/${long}`),
        needOf("read", "/streams", long),
        needOf("read", "/feeds/a/v2", long),
      ]) {
        const text = needText(needed);
        expect(covers([parsed(text)], needed)).toBe(true);
        expect(text.length).toBeLessThan(300);
      }
    }
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  test("any text is parsed or has a fault, and never more than it states", () => {
    const garbage = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom(...Array.from("admin:/streams*?=v1.feds")) }),
      fc
        .tuple(validText, fc.string(), fc.nat())
        .map(([text, extra, at]) => text.slice(0, at % 30) + extra + text.slice(at % 30)),
    );
    fc.assert(
      fc.property(garbage, (text) => {
        const grant = parseGrant(text);
        if ("fault" in grant) expect(grant.fault).not.toBe("");
        else expect(grantText(grant)).toBe(text);
      }),
      { numRuns: 10_000 },
    );
  });
});

describe("faults of grants", () => {
  const FAULTS: readonly (readonly [text: string, fault: string])[] = [
    ["", 'must be "admin", or begin with one of append:, read:, erase:, manage:'],
    ["Admin", 'must be "admin", or begin with'],
    ["admin:/streams", 'must be "admin", or begin with'],
    ["write:/streams/a", 'must be "admin", or begin with'],
    ["append:streams/a", 'needs a path that begins with "/"'],
    ["append:/stream/a", "append is granted on /streams"],
    ["append:/feeds/a", "append is granted on /streams"],
    ["erase:/events", "erase is granted on /streams"],
    ["read:/subscriptions", "read is granted on /streams, /events, /feeds, /operations, /metrics"],
    ["append:/streams/", "names no stream"],
    ["append:/streams*", 'has a "*" that follows no "/"'],
    ["append:/streams//a", "has an empty segment"],
    ["append:/streams/a//b", "has an empty segment"],
    ["append:/streams/a/", 'must not end with "/"'],
    ["append:/streams/a*b", 'has a "*" that is not at the end'],
    ["append:/streams/a**", 'has a "*" that is not at the end'],
    ["append:/streams/..", 'names a stream that must not be "." or ".."'],
    ["append:/streams/a/../b", "names a stream that must not have"],
    ["append:/streams/a\u0000", "control characters"],
    ["read:/events/a", "goes below /events"],
    ["read:/events?prefix=a", "has a query other than ?subjectPrefix="],
    ["read:/events?subjectPrefix=", "has an empty subjectPrefix"],
    ["read:/events?subjectPrefix=a*", 'has a "*" in subjectPrefix'],
    ["read:/operations?subjectPrefix=a", "cannot be limited by a query"],
    ["manage:/feeds/a?subjectPrefix=a", "cannot be limited by a query"],
    ["read:/feeds/", "names no feed"],
    ["read:/feeds/A", "names no feed"],
    ["read:/feeds/a/", "names no version"],
    ["read:/feeds/a/2", "names no version"],
    ["read:/feeds/a/v0", "names no version"],
    ["read:/feeds/a/v1/user-1", "goes below /feeds/NAME/vN"],
    ["read:/feeds/%61", "names no feed"],
  ];

  for (const [text, fault] of FAULTS)
    test(`${JSON.stringify(text)} is refused: ${fault}`, () => {
      expect(parseGrant(text)).toEqual({ fault: expect.stringContaining(fault) as unknown as string });
    });

  test("the name of a stream is one segment: a grant on it covers no name that continues it", () => {
    const grants = [parsed("append:/streams/shop")];
    expect(covers(grants, needOf("append", "/streams/shop"))).toBe(true);
    expect(covers(grants, needOf("append", "/streams/shop/7"))).toBe(false);
    expect(covers(grants, needOf("append", "/streams/shop-7"))).toBe(false);
  });

  test("a grant on one stream allows no read of the event log under its name", () => {
    expect(covers([parsed("read:/streams/user-1")], needOf("read", "/events", "user-1"))).toBe(false);
    expect(subjectPrefixes([parsed("read:/streams/user-1")], "/events")).toBeNull();
  });
});
