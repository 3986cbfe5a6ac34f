import { isErrorNamed } from "../core/errors.ts";

/** The answer is not from Kilde: another program or a proxy in between sent it. */
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
