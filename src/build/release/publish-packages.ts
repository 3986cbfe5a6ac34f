import { run } from "../run.ts";
import type { Archive } from "./archive.ts";
import { publishedIntegrity } from "./published-integrity.ts";

export interface PublishOptions {
  /** The folder in which npm runs. */
  readonly folder: string;
  /** Whether npm signs where the packages come from. It does so for workflows alone. */
  readonly provenance: boolean;
}

/** The command that publishes an archive. */
export function publishCommand({ file }: Archive, { provenance }: PublishOptions): string[] {
  return ["npm", "publish", "--access", "public", ...(provenance ? ["--provenance"] : []), file];
}

/**
 * Publishes archives to the registry of npm in their order, except those that it has: an attempt that failed halfway can be repeated. Publishes
 * none if the registry has other content under one of their versions, since npm never replaces a version.
 */
export async function publishPackages(archives: readonly Archive[], options: PublishOptions): Promise<void> {
  const missing: Archive[] = [];
  const conflicts: string[] = [];
  const known = await Promise.all(
    archives.map(async (archive) => ({
      archive,
      published: await publishedIntegrity(archive, options.folder),
    })),
  );
  for (const { archive, published } of known) {
    const { name, version, integrity } = archive;
    if (published === null) missing.push(archive);
    else if (published === integrity) console.log(`skipped ${name}@${version}: npm has it`);
    else conflicts.push(`${name}@${version}: npm has ${published}, the archive is ${integrity}`);
  }
  if (conflicts.length > 0) throw new Error(`npm has other content.\n${conflicts.join("\n")}`);
  for (const archive of missing) {
    await run(publishCommand(archive, options), options.folder);
    console.log(`published ${archive.name}@${archive.version}`);
  }
}
