import { KildeError } from "../../core/errors.ts";
import { fromHeaderText } from "../../core/header-text.ts";
import { hasNoNul, NUL_FAULT } from "../wire/no-nul.ts";

const REASON_HEADER = "Kilde-Reason";

/** Characters of a reason. */
export const MOST_REASON_LENGTH = 500;

/** Returns the reason that a request states; null: none. Throws `invalid-parameter`. */
export function statedReason(headers: Headers): string | null {
  const header = headers.get(REASON_HEADER);
  if (header === null || header === "") return null;
  const read = fromHeaderText(header);
  const fault =
    "fault" in read
      ? read.fault
      : read.text.length > MOST_REASON_LENGTH
        ? `must have at most ${MOST_REASON_LENGTH} characters`
        : hasNoNul(read.text)
          ? null
          : NUL_FAULT;
  if ("text" in read && fault === null) return read.text === "" ? null : read.text;
  throw new KildeError("invalid-parameter", `${REASON_HEADER} ${fault}`, {
    errors: [{ parameter: REASON_HEADER, detail: fault ?? "" }],
  });
}
