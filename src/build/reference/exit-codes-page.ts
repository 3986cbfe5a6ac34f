import { EXIT, EXIT_MEANINGS } from "../../cli/exit.ts";
import { code, referencePage, table } from "./markdown.ts";

/** The exit codes of the command line. */
export function exitCodesPage(): string {
  const names = Object.keys(EXIT_MEANINGS) as (keyof typeof EXIT)[];
  return referencePage("Exit codes", "`src/cli/exit.ts`", [
    `How a ${code("kilde")} command ends. A failure is explained on standard error.`,
    table(
      ["code", "meaning"],
      names.map((name) => [code(String(EXIT[name])), EXIT_MEANINGS[name]]),
    ),
  ]);
}
