import { expect, test } from "bun:test";

import {
  type Admission,
  type AdmissionFacts,
  admissionOf,
  isOpenIgnored,
  lacksEncryption,
} from "../../src/access/admission.ts";

type Row = readonly [
  isLoopback: boolean,
  behindProxy: boolean,
  hasIssuers: boolean,
  isSecured: boolean,
  openRequested: boolean,
  admission: Admission,
];

const [yes, no] = [true, false];

/** All combinations. */
const TABLE: readonly Row[] = [
  [yes, no, no, no, no, "open"],
  [yes, no, no, no, yes, "open"],
  [yes, no, no, yes, no, "closed"],
  [yes, no, no, yes, yes, "closed"],
  [yes, no, yes, no, no, "closed"],
  [yes, no, yes, no, yes, "closed"],
  [yes, no, yes, yes, no, "closed"],
  [yes, no, yes, yes, yes, "closed"],
  [yes, yes, no, no, no, "unsecured"],
  [yes, yes, no, no, yes, "open"],
  [yes, yes, no, yes, no, "closed"],
  [yes, yes, no, yes, yes, "closed"],
  [yes, yes, yes, no, no, "closed"],
  [yes, yes, yes, no, yes, "closed"],
  [yes, yes, yes, yes, no, "closed"],
  [yes, yes, yes, yes, yes, "closed"],
  [no, no, no, no, no, "unsecured"],
  [no, no, no, no, yes, "open"],
  [no, no, no, yes, no, "closed"],
  [no, no, no, yes, yes, "closed"],
  [no, no, yes, no, no, "closed"],
  [no, no, yes, no, yes, "closed"],
  [no, no, yes, yes, no, "closed"],
  [no, no, yes, yes, yes, "closed"],
  [no, yes, no, no, no, "unsecured"],
  [no, yes, no, no, yes, "open"],
  [no, yes, no, yes, no, "closed"],
  [no, yes, no, yes, yes, "closed"],
  [no, yes, yes, no, no, "closed"],
  [no, yes, yes, no, yes, "closed"],
  [no, yes, yes, yes, no, "closed"],
  [no, yes, yes, yes, yes, "closed"],
];

for (const [isLoopback, behindProxy, hasIssuers, isSecured, openRequested, admission] of TABLE) {
  const facts: AdmissionFacts = { isLoopback, behindProxy, hasIssuers, isSecured, openRequested };
  const names = Object.entries(facts).flatMap(([name, isTrue]) => (isTrue ? [name] : []));
  test(`a store with ${names.join(", ") || "nothing of all"} is ${admission}`, () => {
    expect(admissionOf(facts)).toBe(admission);
    expect(isOpenIgnored(facts)).toBe(openRequested && (hasIssuers || isSecured));
  });
}

test("the table has each combination once", () => {
  expect(new Set(TABLE.map((row) => row.slice(0, 5).join(" "))).size).toBe(32);
});

test("a server needs encryption unless only this machine reaches it, a proxy encrypts, or it is to be open", () => {
  const facts = { isLoopback: no, behindProxy: no, hasTls: no, openRequested: no };
  expect(lacksEncryption(facts)).toBe(true);
  for (const name of ["isLoopback", "behindProxy", "hasTls", "openRequested"] as const)
    expect(lacksEncryption({ ...facts, [name]: yes })).toBe(false);
});
