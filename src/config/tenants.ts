import { z } from "zod";

import { databaseFile, isServerUrl } from "../core/database-url.ts";
import { isOwnPath } from "../core/own-paths.ts";

/** The name of the database of `databaseUrl` beside tenants. */
export const DEFAULT_TENANT = "default";

/** A DNS label, so that it can be part of a host name and, in capitals, of a variable's name. */
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const PATH = /^(?:\/[\w\-.~]+)+$/;

function isHost(text: string): boolean {
  const url = `http://${text}`;
  return !text.endsWith(".") && URL.canParse(url) && new URL(url).hostname === text.toLowerCase();
}

function isPath(text: string): boolean {
  return PATH.test(text) && text.split("/").every((segment) => segment !== "." && segment !== "..");
}

export const databaseUrlSchema = z
  .string("must be a URL")
  .refine(
    (url) => url === ":memory:" || isServerUrl(url) || databaseFile(url) !== null,
    "must be file:<path>, :memory:, or the http(s):// or libsql:// address of a libSQL server",
  );

export const databaseAuthTokenSchema = z.string("must be a text").min(1, "must not be empty").optional();

export const readUrlSchema = z
  .string("must be a URL")
  .refine(isServerUrl, "must be the http(s):// or libsql:// address of a libSQL server")
  .optional();

const tenantSchema = z.strictObject(
  {
    /** The tenant's name in the log, in metrics and on the command line. */
    name: z
      .string("must be a name")
      .regex(NAME, "must be of at most 63 small letters, digits and hyphens, such as shop-a")
      .refine((name) => name !== DEFAULT_TENANT, "stands for databaseUrl; choose another name"),
    /** The host whose requests are the tenant's; a tenant has either a host … */
    host: z
      .string("must be a host name")
      .refine(isHost, "must be a host name without a port, such as shop-a.example")
      .optional(),
    /** … or a path, below which requests are the tenant's. */
    path: z
      .string("must be a path")
      .refine(isPath, "must be a path without an end, such as /shop-a")
      .refine((path) => !isOwnPath(path), "begins as one of Kilde's own paths; choose another")
      .optional(),
    databaseUrl: databaseUrlSchema,
    /** Same as the setting of that name. */
    readUrl: readUrlSchema,
    /** Safer in the environment, see {@link tokenVariable}. */
    databaseAuthToken: databaseAuthTokenSchema,
  },
  "must be an object: { name, host or path, databaseUrl }",
);

/** The members of a tenant's object. */
export const TENANT_MEMBERS: readonly string[] = Object.keys(tenantSchema.shape);

export const tenantsSchema = z.array(tenantSchema, "must be a list of tenants").default([]);

/** A database beside others in one process, chosen by the request's host or path. */
export type Tenant = z.output<typeof tenantSchema>;

/** Matches the environment variables with tokens of tenants. */
export const TENANT_TOKEN = /^KILDE_TENANT_\w+_DATABASE_AUTH_TOKEN$/;

/** The environment variable with a tenant's token. */
export function tokenVariable(name: string): string {
  return `KILDE_TENANT_${name.replaceAll("-", "_").toUpperCase()}_DATABASE_AUTH_TOKEN`;
}

/** The same text for URLs of the same libSQL server: `libsql:` is `https:`, or `http:` with `tls=0`. */
function serverKey(url: string): string {
  const { searchParams } = new URL(url);
  const scheme = searchParams.get("tls") === "0" ? "http" : "https";
  const { protocol, hostname, port, pathname } = new URL(url.replace(/^libsql:/, `${scheme}:`));
  const name = hostname.replace(/\.$/, "");
  const host = name === "localhost" || name === "[::1]" ? "127.0.0.1" : name;
  return `${protocol}//${host}:${port}${pathname.replace(/\/+$/, "")}`;
}

/** A key of a database file from the text of its path, without access to the file system. */
export function fileKeyByPath(file: string): string {
  return file.replaceAll(/\/(?:\.?\/)+/g, "/").replace(/^\.\//, "");
}

/** The same text for URLs of the same database. */
function databaseKey(url: string, fileKey: (file: string) => string): string {
  const file = databaseFile(url);
  if (file !== null) return `file:${fileKey(file)}`;
  return isServerUrl(url) && URL.canParse(url) ? serverKey(url) : url;
}

interface Claim {
  readonly at: string;
  readonly value: string;
  readonly key: string;
}

function duplicateFaults(claims: readonly Claim[], what: string): string[] {
  const seen = new Map<string, string>();
  return claims.flatMap(({ at, value, key }) => {
    const earlier = seen.get(key);
    if (earlier !== undefined) return [`${at}: ${JSON.stringify(value)} is ${what} ${earlier} already`];
    seen.set(key, at);
    return [];
  });
}

/**
 * Describes conflicts between tenants, or with `databaseUrl` (null: not served). `fileKey` returns the same text for
 * names of the same file.
 */
export function tenantFaults(
  tenants: readonly Tenant[],
  databaseUrl: string | null,
  most: number,
  fileKey: (file: string) => string,
): string[] {
  const claims = (name: "name" | "host" | "path" | "databaseUrl", keyOf: (value: string) => string) =>
    tenants.flatMap((tenant, index): Claim[] => {
      const value = tenant[name];
      return value === undefined ? [] : [{ at: `tenants.${index}.${name}`, value, key: keyOf(value) }];
    });
  const same = (value: string) => value;
  const keyOf = (url: string) => databaseKey(url, fileKey);
  const paths = claims("path", same);
  const databases = claims("databaseUrl", keyOf).filter(({ value }) => value !== ":memory:");
  const own = { at: "databaseUrl", value: databaseUrl ?? "", key: keyOf(databaseUrl ?? "") };
  return [
    ...(tenants.length > most ? [`tenants: ${tenants.length} are more than limits.tenants, ${most}`] : []),
    ...tenants.flatMap(({ host, path }, index) =>
      (host === undefined) === (path === undefined) ? [`tenants.${index}: needs one of host and path`] : [],
    ),
    ...tenants.flatMap(({ readUrl, ...tenant }, index) =>
      readUrl === undefined || isServerUrl(tenant.databaseUrl)
        ? []
        : [`tenants.${index}.readUrl: only libSQL servers have replicas, and databaseUrl is not one`],
    ),
    ...duplicateFaults(claims("name", same), "the name of"),
    ...duplicateFaults(
      claims("host", (host) => host.toLowerCase()),
      "the host of",
    ),
    ...duplicateFaults(paths, "the path of"),
    ...paths.flatMap(({ at, value }) => {
      const outer = paths.find((other) => value.startsWith(`${other.value}/`));
      return outer === undefined
        ? []
        : [`${at}: ${JSON.stringify(value)} lies below ${JSON.stringify(outer.value)}, ${outer.at}`];
    }),
    // The URL is not shown, since it may contain credentials.
    ...duplicateFaults(databaseUrl === null ? databases : [own, ...databases], "the database of").map(
      (fault) => fault.replace(/: .* is the database of/, ": is the database of"),
    ),
  ];
}
