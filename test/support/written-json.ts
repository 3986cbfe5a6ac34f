import fc from "fast-check";

/** A JSON text as somebody writes it, and the same text without whitespace between its tokens. */
export interface WrittenJson {
  readonly spaced: string;
  readonly compact: string;
}

const same = (text: string): WrittenJson => ({ spaced: text, compact: text });

/** Whitespace as JSON takes it. */
const gap = fc.oneof(
  fc.constant(""),
  fc.string({ unit: fc.constantFrom(" ", "\n", "\r", "\t"), maxLength: 4 }),
);
export const gaps = fc.tuple(gap, gap, gap);

export function writtenList(
  open: string,
  close: string,
  items: readonly WrittenJson[],
  around: readonly [string, string, string],
): WrittenJson {
  const spaced = items.map((item, index) => `${around[0]}${item.spaced}${around[index % 3]}`);
  return {
    spaced: `${open}${spaced.join(",")}${around[1]}${close}`,
    compact: `${open}${items.map(({ compact }) => compact).join(",")}${close}`,
  };
}

/** An object's text, from its members by name. */
export function writtenObject(
  members: readonly (readonly [name: string, value: WrittenJson])[],
  around: readonly [string, string, string],
): WrittenJson {
  const items = members.map(([name, { spaced, compact }]) => ({
    spaced: `${JSON.stringify(name)}${around[2]}:${around[0]}${spaced}`,
    compact: `${JSON.stringify(name)}:${compact}`,
  }));
  return writtenList("{", "}", items, around);
}

const memberName = fc.oneof(
  fc.string(),
  fc.constantFrom("__proto__", "a\nb", 'quote "', "back\\slash", "7", "", "æ", "constructor", "data", "id"),
);

/** Texts that JavaScript writes in another way, or not at all. */
const numbersAndEscapes = fc.constantFrom(
  "null",
  "true",
  "0",
  "-0",
  "1.0",
  "1e5",
  "12345678901234567890.50",
  '"\\u00e9"',
  '"\\/"',
  '" [{\\n,\\\\"',
  '"\\\\\\" : "',
  '"\\u2028"',
);

/** JSON with whitespace, numbers and escapes of all kinds, and no member twice. */
export const writtenJson = fc
  .letrec<{ value: WrittenJson }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      numbersAndEscapes.map(same),
      fc.string({ unit: "grapheme" }).map((text) => same(JSON.stringify(text))),
      fc.tuple(fc.array(tie("value")), gaps).map(([items, around]) => writtenList("[", "]", items, around)),
      fc
        .tuple(fc.uniqueArray(fc.tuple(memberName, tie("value")), { selector: ([name]) => name }), gaps)
        .map(([members, around]) => writtenObject(members, around)),
    ),
  }))
  .value.filter(({ spaced }) => spaced.isWellFormed() && !/\\ud[89a-f]/i.test(spaced));
