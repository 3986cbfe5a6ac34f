import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

export type DeclarationKind = "function" | "class" | "value" | "type";

/** An exported declaration of the library, with its overloads. */
export interface Declaration {
  /** Absolute path of the file that declares it. */
  readonly file: string;
  readonly name: string;
  readonly kind: DeclarationKind;
  /** Its overloads, or itself. */
  readonly parts: readonly { readonly comment: string; readonly text: string }[];
}

/** A statement of an emitted `.d.ts`: it begins in the first column; its other lines are indented, or close it. */
interface Statement {
  readonly comment: string;
  readonly text: string;
}

function statementsOf(file: string): Statement[] {
  const statements: { comment: string; text: string }[] = [];
  let comment: string[] = [];
  let inComment = false;
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (inComment || line.startsWith("/**")) {
      comment = line.startsWith("/**") ? [line] : [...comment, line];
      inComment = !line.includes("*/");
    } else if (/^[a-z]/.test(line)) {
      statements.push({ comment: comment.join("\n"), text: line });
      comment = [];
    } else {
      const last = statements.at(-1);
      if (last !== undefined && line !== "") last.text += `\n${line}`;
    }
  }
  return statements;
}

const DECLARATION =
  /^(?:export )?(?:declare )?(?:abstract )?(function|class|const|let|interface|type|enum) (\w+)/;
const KINDS: Readonly<Record<string, DeclarationKind>> = {
  function: "function",
  class: "class",
  const: "value",
  let: "value",
};

/** The names between the braces of an import or export: the name in the other module, and here. */
function namesOf(list: string): { readonly there: string; readonly here: string }[] {
  return list
    .split(",")
    .map((item) => item.trim().replace(/^type /, ""))
    .filter((item) => item !== "")
    .map((item) => {
      const [there = "", here = there] = item.split(" as ");
      return { there, here };
    });
}

function target(file: string, specifier: string): string | null {
  if (!specifier.startsWith(".")) return null;
  const path = join(dirname(file), specifier.replace(/\.ts$/, ".d.ts"));
  return existsSync(path) ? path : null;
}

function declared(file: string, name: string, statements: readonly Statement[]): Declaration | null {
  const parts = statements.filter(({ text }) => DECLARATION.exec(text)?.[2] === name);
  const [first] = parts;
  if (first === undefined) return null;
  const keyword = DECLARATION.exec(first.text)?.[1] ?? "";
  return { file, name, kind: KINDS[keyword] ?? "type", parts };
}

/** Finds a name of a module: declared there, imported, or exported from another. */
function resolve(file: string, name: string): Declaration | null {
  const statements = statementsOf(file);
  const own = declared(file, name, statements);
  if (own !== null) return own;
  for (const { text } of statements) {
    const [, list, specifier = ""] =
      /^(?:import|export) (?:type )?\{([^}]*)\} from "([^"]+)"/s.exec(text) ?? [];
    const found = namesOf(list ?? "").find(({ here }) => here === name);
    const path = found === undefined ? null : target(file, specifier);
    if (found !== undefined && path !== null) return resolve(path, found.there);
  }
  return exportsOf(file).find((declaration) => declaration.name === name) ?? null;
}

/** The declarations that an emitted `.d.ts` exports, in the order of its text, without those of other packages. */
export function exportsOf(file: string): readonly Declaration[] {
  const found = new Map<string, Declaration>();
  const add = (declaration: Declaration | null): void => {
    if (declaration !== null && !found.has(declaration.name)) found.set(declaration.name, declaration);
  };
  const statements = statementsOf(file);
  for (const { text } of statements) {
    const [, all] = /^export (?:type )?\* from "([^"]+)"/.exec(text) ?? [];
    const [, list, specifier] = /^export (?:type )?\{([^}]*)\}(?: from "([^"]+)")?/s.exec(text) ?? [];
    const name = text.startsWith("export ") ? DECLARATION.exec(text)?.[2] : undefined;
    if (all !== undefined) {
      const path = target(file, all);
      if (path !== null) for (const declaration of exportsOf(path)) add(declaration);
    } else if (list !== undefined) {
      const path = specifier === undefined ? file : target(file, specifier);
      if (path !== null) for (const { there } of namesOf(list)) add(resolve(path, there));
    } else if (name !== undefined) add(declared(file, name, statements));
  }
  return [...found.values()];
}
