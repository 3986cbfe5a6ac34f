import { PROBLEM_PATH } from "../../core/errors.ts";
import { PROBLEMS } from "../../core/problems.ts";
import { code, referencePage } from "./markdown.ts";

/** The catalog of problems, by status. */
export function problemsPage(): string {
  const problems = Object.entries(PROBLEMS);
  const statuses = [...new Set(problems.map(([, { status }]) => status))].toSorted((a, b) => a - b);
  const blocks = statuses.flatMap((status) => [
    `## ${status}`,
    ...problems
      .filter(([, problem]) => problem.status === status)
      .flatMap(([name, { title, remedy }]) => [`### ${name}`, `**${title}.** ${remedy}`]),
  ]);
  return referencePage("Problems", "`src/core/errors.ts`", [
    `Kilde answers an error with a problem (RFC 9457, ${code("application/problem+json")}). Its ${code("type")} is ${code(`${PROBLEM_PATH}<name>`)}, which is stable and also a path that explains it; its ${code("remedy")} is the text below. The client throws a ${code("KildeError")} with the name as its ${code("code")}.`,
    ...blocks,
  ]);
}
