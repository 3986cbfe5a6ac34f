import { nearest } from "./nearest.ts";

/** The names of all options; the type of the options makes the list complete. */
export type OptionNames<Options> = Readonly<Record<keyof Options, true>>;

/**
 * Throws a TypeError for an option that the function does not have: a misspelled option would be ignored without
 * notice. The values of `known` do not matter.
 */
export function refuseUnknownOptions(called: string, options: unknown, known: object): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`${called}: options must be an object, not ${JSON.stringify(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name) || Reflect.get(options, name) === undefined) continue;
    const near = nearest(name, Object.keys(known));
    throw new TypeError(
      `${called}: there is no option ${JSON.stringify(name)}${near === null ? "" : `; did you mean ${JSON.stringify(near)}?`}`,
    );
  }
}
