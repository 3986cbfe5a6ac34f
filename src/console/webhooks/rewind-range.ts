import type { RewindOptions } from "../../client/subscription-types.ts";

/** The fields of a redelivery, as a person types them. */
export interface RewindFields {
  readonly after: string;
  readonly upTo: string;
  /** One in each line. */
  readonly subjects: string;
}

export type StatedRange = Pick<RewindOptions, "after" | "upTo" | "subjects">;

function positionOf(text: string): number | null | undefined {
  if (text.trim() === "") return undefined;
  const position = Number(text);
  return Number.isSafeInteger(position) && position >= 0 ? position : null;
}

/** Returns the range that the fields state; null: they state none. */
export function rewindRange({ after, upTo, subjects }: RewindFields): StatedRange | null {
  const [first, last] = [positionOf(after), positionOf(upTo)];
  if (first === null || last === null) return null;
  const names = subjects.split("\n").filter((name) => name !== "");
  return {
    ...(first === undefined ? {} : { after: first }),
    ...(last === undefined ? {} : { upTo: last }),
    ...(names.length === 0 ? {} : { subjects: names }),
  };
}

/** Whether a range has all delivered events. */
export function isEverything({ after = 0, upTo, subjects }: StatedRange): boolean {
  return after === 0 && upTo === undefined && subjects === undefined;
}
