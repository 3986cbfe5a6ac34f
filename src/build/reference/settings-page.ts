import { readFileSync } from "node:fs";
import { join } from "node:path";

import { SETTING_HELP } from "../../cli/setting-options.ts";
import { CONFIG_FILE, pathText, SETTING_NAMES, type TextSetting } from "../../config/names.ts";
import { DEFAULT_SETTINGS, settingsSchema } from "../../config/settings.ts";
import { DEFAULT_LIMITS, type Limits } from "../../core/limits.ts";
import { code, prose, referencePage, table } from "./markdown.ts";

/** The values that a setting accepts, in the words of the error for a value of another type. */
function accepted(path: readonly string[]): string {
  const value = path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), Symbol("invalid"));
  const { error } = settingsSchema.safeParse(value);
  return (error?.issues[0]?.message ?? "").replace(/^must be /, "");
}

function defaultOf(name: TextSetting): string {
  const value = DEFAULT_SETTINGS[name];
  if (value === undefined) return "none";
  return Array.isArray(value) ? "none" : code(String(value));
}

/** The meaning of each member of an objective. */
const OBJECTIVE_MEMBERS = {
  lag: "The longest age of an event that is still to be handled, projected or delivered",
  silent:
    "The longest time in which a consumer neither reads nor commits, a feed publishes nothing, or a subscription delivers nothing",
  contact: "Whom an alarm is for; each alarm has it",
  tenant:
    "The [tenant](../operate/tenants.md) whose store it is for, such as `shop-a`. Default: the store of each tenant",
  log: "Only of a consumer: the log that it reads. Default: each log that a consumer of this name has read; where there is none, it is silent",
};

/** The members of an objective, from their schema. */
function objectiveRows(): string[][] {
  return Object.entries(OBJECTIVE_MEMBERS).map(([name, meaning]) => [
    code(name),
    accepted(["objectives", "consumers", "name", name]),
    meaning,
  ]);
}

/** Settings of a server, from their schema and their flags. */
export function settingsPage(): string {
  const rows = SETTING_NAMES.filter(({ path }) => path.length === 1).map(({ path, flag, environment }) => {
    const name = path[0] as TextSetting;
    const help = SETTING_HELP[name][1];
    const isOn = DEFAULT_SETTINGS[name] === true;
    const shownFlag = isOn ? (flag ?? "").replace("--", "--no-") : (flag ?? "");
    const meaning = isOn ? `${code(shownFlag)}: ${prose(help)}` : prose(help);
    const ways = `${code(shownFlag)}<br>${code(environment)}`;
    return [code(name), ways, defaultOf(name), accepted(path), meaning];
  });
  return referencePage("Settings", "`src/config/settings.ts`", [
    `A setting comes from its flag, then from its environment variable, then from ${code(CONFIG_FILE)} in the working directory (or the file that \`--config\` names), then from its default.`,
    table(["name", "flag and environment", "default", "accepts", "meaning"], rows),
    `A setting that accepts a list takes its flag several times; its environment variable separates the entries with commas. \`feeds\`, \`auth\`, \`objectives\` and \`tenants\` stand only in ${code(CONFIG_FILE)}: see [how to define a feed](../how-to/define-a-feed.md), [how to sign in with an OpenID provider](../how-to/sign-in-with-openid.md) and [tenants](../operate/tenants.md). The [limits](limits.md) have a page of their own.`,
    "## Objectives",
    "`objectives: { consumers, feeds, subscriptions }` states [objectives](../operate/monitor.md#objectives-and-alarms) by the name of the consumer, the feed with its version (`users/v1`), or the id of the subscription. Each has `lag`, `silent`, or both.",
    table(["member", "accepts", "meaning"], objectiveRows()),
  ]);
}

/** The doc comment of each limit. */
function limitTexts(): ReadonlyMap<string, string> {
  const source = readFileSync(join(import.meta.dir, "../../core/limits.ts"), "utf8");
  const members = source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*readonly (\w+): number/g);
  return new Map(
    [...members].map(([, text = "", name = ""]) => [name, text.replaceAll(/\s*\n\s*\*?\s*/g, " ").trim()]),
  );
}

/** Limits of a server, from their defaults, ranges and doc comments. */
export function limitsPage(): string {
  const texts = limitTexts();
  const rows = SETTING_NAMES.filter(({ path }) => path[0] === "limits").map(({ path, environment }) => {
    const name = path[1] as keyof Limits;
    const text = texts.get(name);
    if (text === undefined) throw new Error(`${pathText(path)} has no doc comment in src/core/limits.ts`);
    const range = accepted(path).replace(/^a whole number from /, "");
    return [code(name), code(environment), code(String(DEFAULT_LIMITS[name])), range, text];
  });
  return referencePage("Limits", "`src/core/limits.ts`", [
    `Every bound that Kilde puts on what it accepts and holds. Set one as \`limits.<name>\` in ${code(CONFIG_FILE)}, or by its environment variable. All are whole numbers.`,
    table(["name", "environment", "default", "range", "meaning"], rows),
  ]);
}
