import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { Glob } from "bun";

const ROOT = join(import.meta.dir, "..");

/** This file names what it bans. */
const ITSELF = "test/language.test.ts";

/** Phrases that prose (comments, texts, titles, docs) avoids, each with what to write. A space matches a line break too. */
const PHRASES: readonly (readonly [banned: string, instead: string])[] = [
  ["(?:tells?|told|telling)", "reports, returns, notifies, logs, or distinguishes"],
  ["(?:says?|said|saying)", "states, returns, contains, or is set to"],
  ["anew", "again"],
  ["for good", "permanently"],
  ["by (?:itself|themselves)", "automatically, or alone"],
  ["that (?:is|are) none", "invalid, missing, or not one"],
  ["comes? by", "receives, or arrives in"],
  ["stands? in for", "replaces"],
  ["(?:goes|go|went|going) on", "continues, or keeps"],
  ["ha(?:s|ve) it that", "states"],
  ["lone(?! surrogate)", "single"],
  ["shall", "must, or the present tense"],
  ["whoever", "the noun: the caller, the reader, the receiver"],
  ["is nobody's", "belongs to none"],
];

/** A clause whose subject is a bare "what": the thing has a name. A question may ask for it. */
const BARE_WHAT =
  /\bwhat\s+(?!this\b|its\b|else\b)(?:is|are|was|were|has|had|have|does|did|do|can|cannot|could|may|must|will|would|should|came|held|\w+[^s\W_]s|\w+ed)\b(?![^.\n]*\?)/gi;

/** A sentence that begins with a bare question word and asks nothing. `Whether` may open the doc of a boolean. */
const OPENING = /(?:\/\*\*|\/\/|\.|:) +(?:What|Who|Whoever|Whatever)\b(?!\s+(?:if|else)\b)[^.?]*(?:\.|\*\/)/g;

/** Words that only this project used for a part of it, and the field's terms. Names are split at capitals. */
const NAMES: Readonly<Record<string, string>> = {
  audience: "subscribers, or listeners",
  hears: "is notified of",
  saw: "recorded",
  sightings: "activity",
  outbox: "pending deliveries",
  parcel: "delivery",
  ringing: "notifying",
};

/** A handler may return a promise of JavaScript; elsewhere in feeds the word would mean a contract. */
const FEEDS = /^src\/feeds\/(?!define\/)/;
const PROMISE = /\bpromises?\b/g;

const files = ["{src,test}/**/*.{ts,tsx,md,html,sh,yaml,yml}", "*.md"]
  .flatMap((pattern) => [...new Glob(pattern).scanSync(ROOT)])
  // The reference repeats texts of the code, which the test reads there.
  .filter((file) => file !== ITSELF && !/\.d\.ts$|node_modules|^src\/docs\/reference\//.test(file))
  .toSorted();

/** A call of `test`, `describe` or a variant, or the second call of `test.each(…)(title, …)`, with its title. */
const TITLED =
  /(\b(?:describe|test)(?:InProcess)?(?:\.\w+(?:\([^()]*\))?)*|\))\(\s*(?:"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`),\s*(?:async\s*)?(?:\([^()]*(?:\([^()]*\))?[^()]*\)|\w+) =>/g;

/** The title of a test continues the name of its subject, and a clause that begins with such a word has no verb for it. */
const FRAGMENT =
  /^(?:of|to|by|for|with|in|at|from|as|beside|beneath|behind|against|also|and|or|that|which|who|whose|none)\b/i;

interface Finding {
  readonly line: number;
  readonly text: string;
  readonly instead: string;
}

/** The text with the margins of comments blanked, so that a phrase may cross lines; offsets stay. */
function withoutMargins(text: string): string {
  return text.replaceAll(/\n[ \t]*(?:\*(?!\/)|\/\/)/g, (margin) => `\n${" ".repeat(margin.length - 1)}`);
}

function findingsIn(text: string, file: string): Finding[] {
  // Pages compare Kilde with an outbox, which is the field's word for a table of messages.
  // Tokens have an audience (RFC 7519 §4.1.3).
  const hasTokens = /^(?:src|test|test\/http)\/access\/|\/auth\.ts$|\/sign-in-with-openid\.md$/.test(file);
  const names: Readonly<Record<string, string | undefined>> = {
    ...NAMES,
    ...(file.endsWith(".md") ? { outbox: undefined } : {}),
    ...(hasTokens ? { audience: undefined } : {}),
  };
  const prose = withoutMargins(text);
  const findings = (pattern: RegExp, where: string, instead: (found: string) => string | undefined) =>
    [...where.matchAll(pattern)].flatMap(({ 0: found, index }) => {
      const reason = instead(found);
      return reason === undefined
        ? []
        : [{ line: text.slice(0, index).split("\n").length, text: found.slice(0, 60), instead: reason }];
    });
  return [
    ...PHRASES.flatMap(([banned, instead]) =>
      findings(new RegExp(`\\b${banned.replaceAll(" ", "\\s+")}\\b`, "gi"), prose, () => instead),
    ),
    ...findings(BARE_WHAT, prose, () => "the noun"),
    ...findings(OPENING, prose, () => "the noun"),
    ...(FEEDS.test(file) ? findings(PROMISE, prose, () => "the published contract") : []),
    ...findings(/[A-Z]?[a-z]+/g, text, (word) =>
      Object.hasOwn(names, word.toLowerCase()) ? names[word.toLowerCase()] : undefined,
    ),
  ];
}

describe("language", () => {
  test("comments, texts, titles and names use the field's plain terms", () => {
    const found = files.flatMap((file) =>
      findingsIn(readFileSync(join(ROOT, file), "utf8"), file).map(
        ({ line, text, instead }) => `${file}:${line}: "${text.replaceAll(/\s+/g, " ")}" (write: ${instead})`,
      ),
    );
    expect(found).toEqual([]);
  });

  test("titles of tests are sentences", () => {
    const fragments = files
      .filter((file) => file.endsWith(".test.ts"))
      .flatMap((file) =>
        [...readFileSync(join(ROOT, file), "utf8").matchAll(TITLED)].flatMap(
          ([, call = "", quoted, template]) => {
            const title = quoted ?? template ?? "";
            const isName = call.startsWith("describe");
            const isFragment = isName
              ? /^of\b/i.test(title)
              : FRAGMENT.test(title) || !title.trim().includes(" ");
            return isFragment ? [`${file}: "${title}"`] : [];
          },
        ),
      );
    expect(fragments).toEqual([]);
  });
});
