import { join } from "node:path";

import { cliPage } from "./cli-page.ts";
import { exitCodesPage } from "./exit-codes-page.ts";
import { httpPage } from "./http-page.ts";
import { libraryPages } from "./library-pages.ts";
import { metricsPage } from "./metrics-page.ts";
import { operationsPage } from "./operations-page.ts";
import { problemsPage } from "./problems-page.ts";
import { limitsPage, settingsPage } from "./settings-page.ts";

export const REFERENCE_FOLDER = join(import.meta.dir, "../../docs/reference");

/** The pages of the reference, by name, from the code that defines their content. */
export async function referencePages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ["settings", settingsPage()],
    ["limits", limitsPage()],
    ["http", httpPage()],
    ["cli", await cliPage()],
    ["exit-codes", exitCodesPage()],
    ["problems", problemsPage()],
    ["metrics", metricsPage()],
    ["operations", operationsPage()],
    ...(await libraryPages()),
  ]);
}
