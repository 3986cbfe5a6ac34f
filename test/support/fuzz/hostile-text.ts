import type { Chance } from "./chance.ts";

/*
 * Text and JSON of the kinds that break programs: control characters, lone surrogates, other scripts, numbers without
 * a value in JavaScript, names with a meaning of their own, deep nesting, and repeated members.
 */

const PIECES = [
  "a",
  "user-1",
  "0",
  "-1",
  "9007199254740993",
  "1e999",
  "\u0000",
  "\n",
  "\r\n",
  "\t",
  "\u001b[31m",
  "\u007f",
  "\u2028",
  "\ufeff",
  "\ud800",
  "é",
  "日本",
  "👩‍👩‍👧",
  "%",
  "%2e%2e",
  "%ff",
  "..",
  "/",
  "\\",
  "?",
  "#",
  '"',
  "'",
  "<script>",
  "${x}",
  "{{x}}",
  "';--",
  "__proto__",
  "constructor",
  "toString",
  "kilde.erased",
] as const;

export function hostileText(chance: Chance, most = 6): string {
  if (chance.happens(0.02)) return chance.pick(PIECES).repeat(chance.below(3_000));
  return chance.several(0, most, () => chance.pick(PIECES)).join("");
}

const NUMBERS = ["0", "-0", "1", "-1", "1.5", "1e400", "-1e-400", "12345678901234567890", "0.1e1", "1E+2"];
const BLANKS = ["", "", "", " ", "\n", "\r\n", "\t", "\n  "];
const MEMBERS = [
  "a",
  "",
  "__proto__",
  "constructor",
  "type",
  "data",
  "metadata",
  "toJSON",
  "é",
  "a b",
  "sequence",
];

/** JSON text with members that repeat, blanks between all tokens, and numbers of any size. */
export function hostileJson(chance: Chance, depth = 0): string {
  const blank = () => chance.pick(BLANKS);
  if (depth < 5 && chance.happens(0.25)) {
    const items = chance.several(0, 5, () => blank() + hostileJson(chance, depth + 1) + blank());
    return `[${items.join(",")}]`;
  }
  if (depth < 5 && chance.happens(0.35)) {
    const members = chance.several(
      0,
      5,
      () =>
        `${blank()}${JSON.stringify(chance.pick(MEMBERS))}${blank()}:${blank()}${hostileJson(chance, depth + 1)}`,
    );
    return `{${members.join(",")}${blank()}}`;
  }
  if (depth === 0 && chance.happens(0.02)) {
    const levels = chance.below(3_000);
    return "[".repeat(levels) + "]".repeat(levels);
  }
  return chance.pick([
    () => chance.pick(NUMBERS),
    () => JSON.stringify(hostileText(chance)),
    () => chance.pick(["true", "false", "null"]),
  ])();
}

/** The same text with a few bytes changed, removed, repeated or added. */
export function mutated(chance: Chance, text: string): Buffer {
  const bytes = [...Buffer.from(text)];
  for (let changes = chance.below(4); changes > 0; changes -= 1) {
    const at = chance.below(bytes.length + 1);
    chance.pick([
      () => bytes.splice(at, 1),
      () => bytes.splice(at, 0, chance.below(256)),
      () => bytes.splice(at, 1, chance.below(256)),
      () => bytes.splice(at, 0, ...bytes.slice(at, at + chance.below(40))),
      () => bytes.splice(at, chance.below(20)),
    ])();
  }
  return Buffer.from(bytes);
}
