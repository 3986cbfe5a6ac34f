import type { z } from "zod";

import { DEFAULT_LIMITS, SERVER_EVENT_BYTES } from "../core/limits.ts";
import { isServerUrl } from "../core/database-url.ts";
import { lacksEncryption } from "../access/admission.ts";
import { OIDC_SECRET_VARIABLE } from "./auth.ts";
import { ConfigError } from "./config-error.ts";
import { isLoopbackHost } from "./loopback.ts";
import { nearest } from "../core/nearest.ts";
import { objectiveFaults } from "./objectives.ts";
import { pathText, SETTING_NAMES, type SettingName } from "./names.ts";
import { servedDatabases } from "./served.ts";
import { type SettingValues, settingsSchema } from "./settings.ts";
import { fileKeyByPath, type Tenant, TENANT_MEMBERS, tenantFaults, tokenVariable } from "./tenants.ts";
import { writtenText } from "./written-text.ts";
import { isJsonObject } from "../core/json-object.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The sources of settings; the first that has a setting wins. */
export interface Sources {
  /** By the setting's name in camel case: texts, lists of texts, or booleans for flags without a value. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Environment;
  readonly file: { readonly path: string; readonly value: Readonly<Record<string, unknown>> } | null;
  /** Returns the same text for names of the same database file. Default: compares paths as text. */
  readonly fileKey?: (file: string) => string;
}

interface Found {
  readonly name: SettingName;
  readonly value: unknown;
  /** `flag --port`, `environment KILDE_PORT`, or the path of the file. */
  readonly source: string;
  readonly written: unknown;
}

/** Parses a text form; an invalid text is kept, for the schema to reject. */
function fromText({ form }: SettingName, written: unknown): unknown {
  switch (form) {
    case "integer":
      return typeof written === "string" && /^\s*-?\d+\s*$/.test(written) ? Number(written) : written;
    case "boolean":
      if (written === "true" || written === "1") return true;
      return written === "false" || written === "0" ? false : written;
    case "list": {
      const texts = Array.isArray(written) ? written : [written];
      return texts
        .flatMap((text) => String(text).split(","))
        .map((text) => text.trim())
        .filter(Boolean);
    }
    case "text":
      return written;
  }
}

function memberAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (part, key) =>
      typeof part === "object" && part !== null && Object.hasOwn(part, key)
        ? Reflect.get<object, string>(part, key)
        : undefined,
    value,
  );
}

function find(name: SettingName, { flags, environment, file }: Sources): Found | null {
  const key = name.path[0];
  const flag = name.flag === null ? undefined : flags[key];
  if (flag !== undefined) {
    return { name, value: fromText(name, flag), source: `flag ${name.flag}`, written: flag };
  }
  const variable = environment[name.environment];
  // Shells and compose files set a variable to an empty text to leave it out.
  if (variable !== undefined && variable.trim() !== "") {
    const source = `environment ${name.environment}`;
    return { name, value: fromText(name, variable), source, written: variable };
  }
  const member = memberAt(file?.value, name.path);
  return file === null || member === undefined
    ? null
    : { name, value: member, source: file.path, written: member };
}

function displayValue({ name, written }: Found): string {
  return name.secret ? "(not shown)" : writtenText(written);
}

function unknownMembers({ file }: Sources): string[] {
  if (file === null) return [];
  const { limits } = file.value;
  const faults = [
    ...unknown(
      Object.keys(file.value),
      [...SETTING_NAMES.map(({ path }) => path[0]), "limits", ...ONLY_IN_FILE],
      "",
    ),
    ...unknown(isJsonObject(limits) ? Object.keys(limits) : [], Object.keys(DEFAULT_LIMITS), "limits."),
  ];
  if (limits !== undefined && !isJsonObject(limits))
    faults.push(`limits: ${writtenText(limits)} must be an object`);
  return faults.map((fault) => `${fault} (${file.path})`);
}

function unknown(keys: readonly string[], known: readonly string[], prefix: string): string[] {
  return keys.flatMap((key) => {
    if (known.includes(key)) return [];
    const near = nearest(key, known);
    const hint = near === null ? "" : `; did you mean ${prefix}${near}?`;
    return [`${prefix}${key}: there is no such setting${hint}`];
  });
}

function candidateOf(found: readonly Found[]): Record<string, unknown> {
  const limits: Record<string, unknown> = {};
  const candidate: Record<string, unknown> = { limits };
  for (const { name, value } of found) {
    const [first, second] = name.path;
    if (second === undefined) candidate[first] = value;
    else limits[second] = value;
  }
  return candidate;
}

/**
 * Feeds and issuers hold functions, and tenants and objectives are lists of several settings each, so only the file can state
 * them.
 */
const ONLY_IN_FILE = ["feeds", "auth", "objectives", "tenants"] as const;

function onlyInFile({ file }: Sources): Record<string, unknown> {
  return Object.fromEntries(
    ONLY_IN_FILE.flatMap((name) => (file?.value[name] === undefined ? [] : [[name, file.value[name]]])),
  );
}

/** Describes an invalid tenant with the value as written; a token is not shown. */
function tenantFault(issue: z.core.$ZodIssue, { file }: Sources): string[] {
  const at = pathText(issue.path);
  if (issue.code === "unrecognized_keys") {
    return unknown(issue.keys, TENANT_MEMBERS, `${at}.`);
  }
  const written = memberAt(file?.value, issue.path.map(String));
  const isShown = issue.path.length === 3 && !at.endsWith("databaseAuthToken") && written !== undefined;
  return [`${at}: ${isShown ? `${writtenText(written)} ` : ""}${issue.message}`];
}

/** Describes an invalid objective with the value as written. */
function objectiveFault(issue: z.core.$ZodIssue, { file }: Sources): string {
  const written = memberAt(file?.value, issue.path.map(String));
  const isText = typeof written === "string" || typeof written === "number";
  // The fault of a name comes as an issue within the issue.
  const message = issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  return `${pathText(issue.path)}: ${isText ? `${writtenText(written)} ` : ""}${message}`;
}

/** Adds the file, which alone states tenants and objectives. */
function inFile(faults: readonly string[], { file }: Sources): string[] {
  return faults.map((fault) => `${fault} (${file?.path ?? "tenants"})`);
}

/** The tenants, with the tokens from the environment. */
function withTokens(tenants: readonly Tenant[], environment: Environment): Tenant[] {
  return tenants.map((tenant) => {
    const token = environment[tokenVariable(tenant.name)];
    return token === undefined || token.trim() === "" ? tenant : { ...tenant, databaseAuthToken: token };
  });
}

/** The issuers, with the secret of the OpenID client from the environment. */
function withClientSecret(auth: SettingValues["auth"], environment: Environment): SettingValues["auth"] {
  const clientSecret = environment[OIDC_SECRET_VARIABLE];
  if (auth.oidc === undefined || clientSecret === undefined || clientSecret.trim() === "") return auth;
  return { ...auth, oidc: { ...auth.oidc, clientSecret } };
}

/** Problems of settings that are valid alone but not together. */
function combined(settings: SettingValues, found: readonly Found[]): string[] {
  const problems: string[] = [];
  const sourceOf = (key: string) => {
    const hit = found.find(({ name }) => pathText(name.path) === key);
    return hit === undefined ? "default" : hit.source;
  };
  const { host, behindProxy, open: openRequested, tlsCert, tlsKey } = settings;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    const [stated, missing] =
      tlsKey === undefined ? (["tlsCert", "tlsKey"] as const) : (["tlsKey", "tlsCert"] as const);
    problems.push(
      `${missing}: is missing, and ${stated} is set (${sourceOf(stated)}). TLS needs both; set both or none`,
    );
  }
  const hasTls = tlsCert !== undefined || tlsKey !== undefined;
  if (lacksEncryption({ isLoopback: isLoopbackHost(host), behindProxy, hasTls, openRequested })) {
    problems.push(
      `host: ${JSON.stringify(host)} accepts other machines, and keys would reach it unencrypted (${sourceOf("host")}). ` +
        "Set --tls-cert and --tls-key, or --behind-proxy if a proxy in front ends TLS, or listen on 127.0.0.1. " +
        "--open serves everyone without keys",
    );
  }
  if (settings.metricsToken !== undefined && settings.tenants.length === 0) {
    problems.push(
      `metricsToken: only a process with tenants has metrics beside those of a store (${sourceOf("metricsToken")}). ` +
        "Create a key with the grant read:/metrics",
    );
  }
  if (settings.readUrl !== undefined && !isServerUrl(settings.databaseUrl)) {
    problems.push(
      `readUrl: ${JSON.stringify(settings.readUrl)} cannot be a replica of ${JSON.stringify(settings.databaseUrl)}, which is ` +
        `no libSQL server (${sourceOf("readUrl")}). Set databaseUrl to the server that it is a replica of, or leave readUrl out`,
    );
  }
  const { eventBytes, metadataBytes, bodyBytes } = settings.limits;
  const urls = [settings.databaseUrl, ...settings.tenants.map(({ databaseUrl }) => databaseUrl)];
  if (urls.some(isServerUrl) && eventBytes + metadataBytes > SERVER_EVENT_BYTES) {
    const key = sourceOf("limits.eventBytes") === "default" ? "limits.metadataBytes" : "limits.eventBytes";
    problems.push(
      `${key}: events of ${eventBytes} bytes with ${metadataBytes} of metadata exceed the limit of a libSQL server, ` +
        `${SERVER_EVENT_BYTES} together (${sourceOf(key)})`,
    );
  }
  if (eventBytes > bodyBytes) {
    const source =
      sourceOf("limits.eventBytes") === "default"
        ? sourceOf("limits.bodyBytes")
        : sourceOf("limits.eventBytes");
    problems.push(
      `limits.eventBytes: ${eventBytes} is more than limits.bodyBytes, ${bodyBytes}: no request body could hold such an event (${source})`,
    );
  }
  const { bodiesBytes } = settings.limits;
  if (bodyBytes > bodiesBytes) {
    const source =
      sourceOf("limits.bodyBytes") === "default"
        ? sourceOf("limits.bodiesBytes")
        : sourceOf("limits.bodyBytes");
    problems.push(
      `limits.bodyBytes: ${bodyBytes} is more than limits.bodiesBytes, ${bodiesBytes}, the total for all bodies (${source})`,
    );
  }
  return problems;
}

/** Compiling the check, as zod does by default, takes longer than running it once. */
const ONCE = { jitless: true };

/** Resolves settings from all sources. Throws a {@link ConfigError} with every problem. */
export function resolveSettings(sources: Sources): SettingValues {
  const found = SETTING_NAMES.flatMap((name) => find(name, sources) ?? []);
  const problems = unknownMembers(sources);
  const result = settingsSchema.safeParse({ ...candidateOf(found), ...onlyInFile(sources) }, ONCE);
  const databaseStated = found.some(({ name }) => name.path[0] === "databaseUrl");
  if (!result.success) {
    const reported = new Set<Found>();
    for (const issue of result.error.issues) {
      const hit = found.find(({ name }) => name.path.every((key, depth) => issue.path[depth] === key));
      if (issue.path[0] === "tenants") problems.push(...inFile(tenantFault(issue, sources), sources));
      else if (issue.path[0] === "objectives")
        problems.push(...inFile([objectiveFault(issue, sources)], sources));
      else if (hit === undefined) problems.push(`${pathText(issue.path)}: ${issue.message}`);
      else if (!reported.has(hit))
        problems.push(`${pathText(hit.name.path)}: ${displayValue(hit)} ${issue.message} (${hit.source})`);
      if (hit !== undefined) reported.add(hit);
    }
  } else {
    const { tenants, limits, objectives, feeds } = result.data;
    const databaseUrl = databaseStated ? result.data.databaseUrl : null;
    const { fileKey = fileKeyByPath } = sources;
    problems.push(...combined({ ...result.data, databaseStated }, found));
    const served = servedDatabases({ ...result.data, databaseStated });
    const names = served.flatMap(({ tenant }) => tenant ?? []);
    problems.push(...inFile(objectiveFaults(objectives, feeds, names), sources));
    problems.push(...inFile(tenantFaults(tenants, databaseUrl, limits.tenants, fileKey), sources));
  }
  if (!result.success || problems.length > 0) throw new ConfigError(problems);
  const tenants = withTokens(result.data.tenants, sources.environment);
  const auth = withClientSecret(result.data.auth, sources.environment);
  return { ...result.data, auth, tenants, databaseStated };
}
