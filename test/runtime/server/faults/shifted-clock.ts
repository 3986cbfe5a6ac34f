/**
 * Loaded before the program: sets its wall clock CLOCK_AHEAD_MS milliseconds ahead, or behind. Timers and the
 * monotonic clock stay as they are.
 */

const ahead = Number(process.env["CLOCK_AHEAD_MS"] ?? 0);
const RealDate = Date;
const realNow = RealDate.now.bind(RealDate);

class ShiftedDate extends RealDate {
  constructor(...args: [] | ConstructorParameters<typeof Date>) {
    if (args.length === 0) super(realNow() + ahead);
    else super(...args);
  }

  static override now(): number {
    return realNow() + ahead;
  }
}

Object.defineProperty(globalThis, "Date", { value: ShiftedDate, configurable: true, writable: true });
