import { isErrorNamed } from "../core/errors.ts";

/** The server answered with something that is not Kilde's: another program, or a proxy in between. */
export class UnexpectedAnswerError extends Error {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isErrorNamed(value, "UnexpectedAnswerError");
  }

  override readonly name = "UnexpectedAnswerError";
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}
