/** A read by a handler of anything but the event and the state, and the remedy. */
export interface Impurity {
  readonly what: string;
  readonly remedy: string;
}

/** Thrown at the place where a handler reads the clock, chance or the environment. */
class ImpureCall extends Error {
  override readonly name = "ImpureCall";
}

const CLOCK = "use `event.time`, which is the same each time the event is projected";
const CHANCE = "derive it from the event: its subject, version and position are unique";
const WORLD = "a projection sees its events alone; let another service append what it found as an event";

const notice: { first: Impurity | null } = { first: null };

function refuse(what: string, remedy: string): never {
  // The first is the one to report, also if the handler catches the error.
  notice.first ??= { what, remedy };
  throw new ImpureCall(`${what} must not be used in a projection: ${remedy}`);
}

type Patch = readonly [owner: object, key: string, stand: unknown];

const forbid = (what: string, remedy: string) => () => refuse(what, remedy);

const RealDate = Date;
const GuardedDate: DateConstructor = new Proxy(RealDate, {
  construct(target, parameters: unknown[], newTarget): Date {
    if (parameters.length === 0) refuse("new Date() without arguments", CLOCK);
    return Reflect.construct(target, parameters, newTarget === GuardedDate ? target : newTarget) as Date;
  },
  apply: forbid("Date()", CLOCK),
});

function patches(): Patch[] {
  const found: Patch[] = [[globalThis, "Date", GuardedDate]];
  const add = (owner: object, key: string, what: string, remedy: string) => {
    if (typeof Reflect.get(owner, key) === "function") found.push([owner, key, forbid(what, remedy)]);
  };
  add(RealDate, "now", "Date.now", CLOCK);
  add(performance, "now", "performance.now", CLOCK);
  add(Math, "random", "Math.random", CHANCE);
  add(crypto, "randomUUID", "crypto.randomUUID", CHANCE);
  add(crypto, "getRandomValues", "crypto.getRandomValues", CHANCE);
  for (const name of ["fetch", "setTimeout", "setInterval", "setImmediate", "queueMicrotask"]) {
    add(globalThis, name, name, WORLD);
  }
  return found;
}

const PATCHES = patches();

function noticed(): { impurity: Impurity } | null {
  return notice.first === null ? null : { impurity: notice.first };
}

/**
 * Calls a handler with the clock, chance, network and timers out of its reach, and returns its result, or
 * the API that it tried to use. All globals are restored when this returns or throws; no other code runs in
 * between, since the call is synchronous. A reference that a module kept (`const { random } = Math`) is not detected.
 */
export function guarded<Result>(call: () => Result): { result: Result } | { impurity: Impurity } {
  const before: unknown[] = [];
  const own: boolean[] = [];
  notice.first = null;
  for (const [owner, key, stand] of PATCHES) {
    own.push(Object.hasOwn(owner, key));
    before.push(Reflect.get(owner, key));
    Reflect.set(owner, key, stand);
  }
  try {
    const result = call();
    return noticed() ?? { result };
  } catch (error) {
    const impure = noticed();
    if (impure !== null) return impure;
    throw error;
  } finally {
    for (const [index, [owner, key]] of PATCHES.entries()) {
      if (own[index] === true) Reflect.set(owner, key, before[index]);
      else Reflect.deleteProperty(owner, key);
    }
  }
}
