import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { errorText } from "../core/error-text.ts";
import { ConfigError } from "./config-error.ts";
import type { Environment } from "./resolve.ts";
import { secretVariable } from "./secret-variables.ts";

/** Reads the secret in a file, without the whitespace around it. Throws an error with the fault. */
export function readSecretFile(file: string, cwd: string): string {
  let text: string;
  try {
    text = readFileSync(resolve(cwd, file), "utf8").trim();
  } catch (error) {
    throw new Error(`the file ${JSON.stringify(file)} cannot be read: ${errorText(error)}`, { cause: error });
  }
  if (text === "") throw new Error(`the file ${JSON.stringify(file)} is empty`);
  return text;
}

/**
 * Returns an environment in which each `KILDE_…_FILE` of a secret is replaced by the secret, from that file. Lines of a
 * file are entries of a list. Throws a ConfigError with every problem.
 */
export function withSecretFiles(environment: Environment, cwd: string): Environment {
  const problems: string[] = [];
  const secrets = Object.entries(environment).flatMap(([name, file = ""]) => {
    const secret = secretVariable(name);
    if (secret === null || file.trim() === "") return [];
    if ((environment[secret] ?? "").trim() !== "") {
      problems.push(`${name}: ${secret} is set as well; leave one of them out`);
      return [];
    }
    try {
      return [[secret, readSecretFile(file, cwd).replaceAll(/\s*\n\s*/g, ",")]];
    } catch (error) {
      problems.push(`${name}: ${errorText(error)}`);
      return [];
    }
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return secrets.length === 0 ? environment : { ...environment, ...Object.fromEntries(secrets) };
}
