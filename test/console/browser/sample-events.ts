import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Travel-expense declarations of a university, as its workflow system recorded them. */
const DATA =
  process.env["KILDE_DECLARATIONS"] ??
  join(import.meta.dir, "../../../../shared/data/domestic-declarations.ndjson.gz");

const APPROVALS = [
  "DeclarationSubmittedByEmployee",
  "DeclarationApprovedByAdministration",
  "DeclarationApprovedByBudgetOwner",
  "DeclarationFinalApprovedBySupervisor",
  "PaymentHandled",
];

const DAY_MS = 86_400_000;

/** Events of the same form, where the data is not present. */
function* generatedLines(): Generator<string> {
  for (let index = 0; ; index += 1) {
    const step = index % APPROVALS.length;
    const number = 86_791 + Math.floor(index / APPROVALS.length);
    yield JSON.stringify({
      stream: `declaration-${number}`,
      type: APPROVALS[step],
      time: new Date(Date.UTC(2017, 0, 9) + index * (DAY_MS / 16)).toISOString(),
      data: {
        amount: Math.round(((number * 7_919) % 90_000) + 1_000) / 100,
        budgetNumber: `budget 865${number % 89}`,
        role: "EMPLOYEE",
      },
    });
  }
}

function realLines(): readonly string[] {
  return new TextDecoder().decode(Bun.gunzipSync(readFileSync(DATA))).split("\n");
}

/** The first events of the declarations, as lines that `kilde import` accepts; generated ones where they are not present. */
export function sampleLines(count: number): readonly string[] {
  const lines = existsSync(DATA) ? realLines() : generatedLines();
  const first: string[] = [];
  for (const line of lines) {
    if (first.length === count) break;
    first.push(line);
  }
  return first;
}
