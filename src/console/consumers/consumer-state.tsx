import type { ConsumerInfo } from "../../client/types.ts";

const TEXTS: Readonly<Record<ConsumerInfo["state"], string>> = {
  "keeps-up": "keeps up",
  late: "late",
  blocked: "blocked",
  silent: "silent",
};

/** The states of consumers, those that need a person first. */
export const CONSUMER_STATES: readonly (readonly [ConsumerInfo["state"], string])[] = [
  ["blocked", TEXTS.blocked],
  ["late", TEXTS.late],
  ["silent", TEXTS.silent],
  ["keeps-up", TEXTS["keeps-up"]],
];

/** Shows the state of a consumer. */
export function ConsumerState({ state }: Pick<ConsumerInfo, "state">) {
  return <span class={`state ${state}`}>{TEXTS[state]}</span>;
}
