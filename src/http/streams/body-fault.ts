import { KildeError } from "../../core/errors.ts";

/** The fault of a body, in a form that threads can exchange. */
export type BodyFault = Pick<KildeError, "code" | "message" | "members">;

export function bodyFaultOf({ code, message, members }: KildeError): BodyFault {
  return { code, message, members };
}

export function bodyError({ code, message, members }: BodyFault): KildeError {
  return new KildeError(code, message, members);
}
