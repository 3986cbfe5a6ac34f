import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The files of a folder that contain one of some texts, with how often, as `kilde.db-wal: 2`. */
export function filesWith(folder: string, texts: readonly string[]): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.startsWith("kilde.db"))
    .flatMap(({ name }) => {
      const bytes = readFileSync(join(folder, name));
      let count = 0;
      for (const text of texts) {
        for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) count += 1;
      }
      return count === 0 ? [] : [`${name}: ${count}`];
    });
}
