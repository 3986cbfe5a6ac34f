import { DEFAULT_LIMITS } from "../../core/limits.ts";
import { openApiDocument } from "../../http/openapi/document.ts";
import { createSchemas } from "../../http/openapi/schemas.ts";
import { OPERATIONS, ROUTES } from "../../http/operations.ts";
import { code, prose, referencePage, table } from "./markdown.ts";

/** The members of a JSON Schema that the reference shows. */
interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Parameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: Schema;
}

type Content = Readonly<Record<string, { readonly schema?: Schema; readonly example?: unknown }>>;

interface Response {
  readonly $ref?: string;
  readonly description: string;
  readonly headers?: Readonly<Record<string, { readonly $ref?: string; readonly description?: string }>>;
  readonly content?: Content;
}

interface Described {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, Response>>;
}

interface Document {
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
}

/** Follows references within the document. */
type Lookup = <Value extends { readonly $ref?: string }>(value: Value) => Value;

function lookupIn(document: object): Lookup {
  return (value) => {
    if (value.$ref === undefined) return value;
    let found: unknown = document;
    for (const segment of value.$ref.slice(2).split("/")) {
      found = (found as Readonly<Record<string, unknown>>)[segment];
    }
    return found as typeof value;
  };
}

function typeText(given: Schema, lookup: Lookup): string {
  const schema = lookup(given);
  if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(", ");
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined)
    return [...new Set(choices.map((choice) => typeText(choice, lookup)))].join(" or ");
  if (schema.type === "array") return `list of ${typeText(schema.items ?? {}, lookup)}`;
  const type = [schema.type ?? "any JSON"].flat().join(" or ");
  const { minimum, maximum } = schema;
  const isSafe = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER;
  if (minimum === undefined && isSafe) return type;
  return isSafe ? `${type} from ${minimum}` : `${type} from ${minimum ?? 0} to ${maximum}`;
}

/** Members of a body, with those of objects and lists within it, two levels deep. */
function memberRows(given: Schema, lookup: Lookup, prefix = "", depth = 0): string[][] {
  const schema = lookup(given);
  if (schema.type === "array") return memberRows(schema.items ?? {}, lookup, `${prefix}[]`, depth);
  const entries = Object.entries(schema.properties ?? {});
  return entries.flatMap(([name, member]) => {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    const isRequired = schema.required?.includes(name) === true;
    const text = member.description ?? lookup(member).description ?? "";
    const row = [code(path), typeText(member, lookup), isRequired ? "yes" : "no", prose(text)];
    return [row, ...(depth < 1 ? memberRows(member, lookup, path, depth + 1) : [])];
  });
}

function bodyBlocks(title: string, content: Content, lookup: Lookup): string[] {
  return Object.entries(content).flatMap(([mediaType, { schema, example }]) => {
    const rows = mediaType === "application/json" ? memberRows(schema ?? {}, lookup) : [];
    const heading = `${title} ${code(mediaType)}${rows.length > 0 || example !== undefined ? ":" : ""}`;
    return [
      heading,
      ...(rows.length === 0 ? [] : [table(["member", "type", "required", "meaning"], rows)]),
      ...(example === undefined ? [] : [`\`\`\`text\n${JSON.stringify(example, null, 2)}\n\`\`\``]),
    ];
  });
}

function responseRow(status: string, given: Response, lookup: Lookup): string[] {
  const { description, headers = {}, content = {} } = lookup(given);
  const names = Object.keys(headers).map(code).join(", ");
  const shownStatus = status === "default" ? "other" : status;
  return [shownStatus, prose(description), Object.keys(content).map(code).join(", "), names];
}

function operationBlocks(method: string, path: string, operation: Described, lookup: Lookup): string[] {
  const { summary, description, parameters = [], requestBody, responses } = operation;
  const rows = parameters.map(lookup).map(({ name, in: place, required, schema = {}, description: text }) => {
    const isRequired = required === true ? "yes" : "no";
    return [code(name), place, typeText(schema, lookup), isRequired, prose(text ?? schema.description ?? "")];
  });
  const answers = Object.entries(responses);
  const success = answers.find(([status]) => status.startsWith("2"))?.[1];
  const body = success === undefined ? {} : (lookup(success).content ?? {});
  const shownBody = Object.fromEntries(Object.entries(body).filter(([type]) => type === "application/json"));
  return [
    `### ${summary}`,
    code(`${method.toUpperCase()} ${path}`),
    ...(description === undefined ? [] : [prose(description)]),
    ...(rows.length === 0 ? [] : [table(["parameter", "in", "type", "required", "meaning"], rows)]),
    ...(requestBody === undefined ? [] : bodyBlocks("Body", requestBody.content, lookup)),
    table(
      ["status", "meaning", "content", "headers"],
      answers.map(([status, response]) => responseRow(status, response, lookup)),
    ),
    ...bodyBlocks("Answer", shownBody, lookup),
  ];
}

/** The routes that are no operations: pages for readers. */
function pageRows(): string[][] {
  const described = new Set<unknown>(OPERATIONS);
  return ROUTES.filter((route) => !described.has(route)).map(({ method, path, summary }) => [
    code(`${method.toUpperCase()} ${path}`),
    prose(summary),
  ]);
}

/** The operations of the HTTP API, from the OpenAPI document, and the other routes of a server. */
export function httpPage(): string {
  const schemas = createSchemas(DEFAULT_LIMITS);
  const document = openApiDocument(OPERATIONS, {
    schemas,
    limits: DEFAULT_LIMITS,
    basePath: "",
    version: "",
  }) as Document;
  const lookup = lookupIn(document);
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  return referencePage("HTTP API", "`src/http`", [
    "`GET /openapi.json` describes the same operations for generators of clients, and `/docs/api` sends them from a browser. Errors are [problems](problems.md). Bounds are those of the default [limits](limits.md).",
    ...document.tags.flatMap(({ name, description }) => [
      `## ${name}`,
      `${description}.`,
      ...operations
        .filter(({ operation }) => operation.tags.includes(name))
        .flatMap(({ method, path, operation }) => operationBlocks(method, path, operation, lookup)),
    ]),
    "## Documentation",
    "Pages that a server shows to people. An embedded store has none, and a worker has the console where it has its files.",
    table(["page", "effect"], pageRows()),
  ]);
}
