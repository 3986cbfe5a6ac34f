import { ConventionalChangelog } from "conventional-changelog";

/** Writes the changes since the last tag, as the subjects of the commits state them. */
export async function writeNotes(root: string, file: string): Promise<void> {
  const changelog = new ConventionalChangelog(root)
    .readPackage()
    .loadPreset("conventionalcommits")
    .tags({ prefix: "v" })
    .options({ releaseCount: 1 });
  let notes = "";
  for await (const part of changelog.write()) notes += part;
  await Bun.write(file, notes);
}
