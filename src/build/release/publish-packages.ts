import { dirname } from "node:path";

import { run } from "../run.ts";

/** `kilde` comes last: from then on, users get the version, and find its binaries. */
function publishingOrder(archives: readonly string[]): readonly string[] {
  const isCommand = (archive: string) => /[\\/]kilde-\d[^\\/]*\.tgz$/.test(archive);
  return [...archives.filter((archive) => !isCommand(archive)), ...archives.filter(isCommand)];
}

/**
 * Publishes archives to the registry of npm with their provenance, which npm signs for the workflow that runs this. A dry run
 * prints what it would publish.
 */
export async function publishPackages(archives: readonly string[], isDryRun: boolean): Promise<void> {
  for (const archive of publishingOrder(archives)) {
    const command = ["npm", "publish", "--access", "public", "--provenance", archive];
    if (!isDryRun) await run(command, dirname(archive));
    console.log(`${isDryRun ? "would run" : "ran"}: ${command.join(" ")}`);
  }
}
