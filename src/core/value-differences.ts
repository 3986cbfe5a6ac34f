import { jsonPointer } from "./json-pointer.ts";

/** Where two JSON values differ; a side that has nothing there is `undefined`. */
export interface ValueDifference {
  readonly pointer: string;
  readonly left: unknown;
  readonly right: unknown;
}

/** A number that was parsed as its text (`JSON.rawJSON`), beyond the precision of JavaScript. */
interface RawNumber {
  readonly rawJSON: string;
}

function isRawNumber(value: unknown): value is RawNumber {
  return (JSON as { isRawJSON?: (value: unknown) => boolean }).isRawJSON?.(value) === true;
}

function isSame(left: unknown, right: unknown): boolean {
  if (isRawNumber(left) && isRawNumber(right)) return left.rawJSON === right.rawJSON;
  return Object.is(left, right);
}

function membersOf(value: unknown): ReadonlyMap<string | number, unknown> | null {
  if (typeof value !== "object" || value === null || isRawNumber(value)) return null;
  return Array.isArray(value) ? new Map(value.entries()) : new Map(Object.entries(value));
}

/** Every place where two JSON values differ, outermost first. */
export function valueDifferences(
  left: unknown,
  right: unknown,
  path: readonly (string | number)[] = [],
): ValueDifference[] {
  const [leftMembers, rightMembers] = [membersOf(left), membersOf(right)];
  if (leftMembers === null || rightMembers === null || Array.isArray(left) !== Array.isArray(right)) {
    return isSame(left, right) ? [] : [{ pointer: jsonPointer(path), left, right }];
  }
  const names = new Set([...leftMembers.keys(), ...rightMembers.keys()]);
  return [...names].flatMap((name) =>
    valueDifferences(leftMembers.get(name), rightMembers.get(name), [...path, name]),
  );
}
