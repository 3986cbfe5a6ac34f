import { type DeploymentName, type TestedOn, testedOnOf } from "./tested-on.ts";

const CALL = /\b(?:runsOn|forEachDeployment)\(/;
const DECLARATION = /^(?:runsOn|forEachDeployment)\(\s*\[([^\]]*)\]/gm;

/** Where the tests of a file run, by its source. A file without a declaration runs in the tests' process only. */
export function declaredIn(file: string, source: string): readonly TestedOn[] {
  const names = [...source.matchAll(DECLARATION)].flatMap(([, list = ""]) =>
    [...list.matchAll(/"([^"]+)"/g)].map(([, name]) => name as DeploymentName),
  );
  if (names.length > 0) return [...new Set(names.map(testedOnOf))];
  if (CALL.test(source)) throw new Error(`${file} declares its deployments in a form that cannot be read`);
  return ["process"];
}
