/** Deeper values are rejected: they are cyclic, or too deep to read. */
const MAX_DEPTH = 500;

/** The place of a value that JSON cannot carry, or that a contract rejects. */
export interface ValueFault {
  readonly path: (string | number)[];
  readonly detail: string;
  /** The member exists with the value `undefined`, which JSON omits. */
  readonly undefinedMember: boolean;
}

/** Accepts every value: there is no list of members. */
export const ANYTHING = Symbol("anything");

function fault(detail: string, undefinedMember = false): ValueFault {
  return { path: [], detail, undefinedMember };
}

function at(found: ValueFault, key: string | number): ValueFault {
  found.path.unshift(key);
  return found;
}

function isPlain(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function kindOf(value: object): string {
  const constructor: unknown = Reflect.get(value, "constructor");
  return typeof constructor === "function" && constructor.name !== "" ? `a ${constructor.name}` : "an object";
}

function arrayFault(items: readonly unknown[], accepted: unknown, depth: number): ValueFault | null {
  const counterparts = Array.isArray(accepted) ? (accepted as readonly unknown[]) : null;
  // By index, because iteration methods skip holes.
  for (let index = 0; index < items.length; index += 1) {
    const found = faultOf(items[index], counterparts === null ? ANYTHING : counterparts[index], depth + 1);
    if (found !== null) return at(found, index);
  }
  return null;
}

function objectFault(
  value: Readonly<Record<string, unknown>>,
  accepted: unknown,
  depth: number,
): ValueFault | null {
  const counterparts =
    typeof accepted === "object" && accepted !== null && !Array.isArray(accepted)
      ? (accepted as Readonly<Record<string, unknown>>)
      : null;
  for (const name of Object.keys(value)) {
    const member = value[name];
    if (member === undefined) {
      return at(fault("is undefined, which JSON has no word for", true), name);
    }
    if (!name.isWellFormed()) return at(fault("has half of a surrogate pair in its name"), name);
    if (counterparts !== null && counterparts !== value && !Object.hasOwn(counterparts, name)) {
      return at(fault("is not in the contract"), name);
    }
    const found = faultOf(member, counterparts === null ? ANYTHING : counterparts[name], depth + 1);
    if (found !== null) return at(found, name);
  }
  return null;
}

/**
 * The first fault of a value: JSON cannot carry it unchanged, or it has a member that its counterpart in `accepted`
 * (the output of a schema) lacks. Null when there is none. One walk finds both.
 */
export function faultOf(value: unknown, accepted: unknown = ANYTHING, depth = 0): ValueFault | null {
  switch (typeof value) {
    case "string":
      return value.isWellFormed() ? null : fault("holds half of a surrogate pair, which is not a character");
    case "number":
      return Number.isFinite(value) ? null : fault(`is ${value}, which JSON has no word for`);
    case "boolean":
      return null;
    case "object":
      if (value === null) return null;
      if (depth >= MAX_DEPTH) return fault(`is nested deeper than ${MAX_DEPTH} arrays and objects`);
      if (Array.isArray(value)) return arrayFault(value as readonly unknown[], accepted, depth);
      if (!isPlain(value)) return fault(`is ${kindOf(value)}, which JSON cannot carry as it is`);
      return objectFault(value, accepted, depth);
    case "undefined":
      return fault("is undefined, which JSON has no word for");
    case "bigint":
    case "function":
    case "symbol":
      return fault(`is a ${typeof value}, which JSON cannot carry`);
  }
}

/** A copy without the members that are `undefined`; everything else is unchanged. */
export function withoutUndefinedMembers(value: unknown, depth = 0): unknown {
  if (typeof value !== "object" || value === null || depth >= MAX_DEPTH) return value;
  if (Array.isArray(value)) return value.map((item) => withoutUndefinedMembers(item, depth + 1));
  if (!isPlain(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) =>
      member === undefined ? [] : [[name, withoutUndefinedMembers(member, depth + 1)]],
    ),
  );
}

/** Freezes a JSON value and everything in it. */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}
