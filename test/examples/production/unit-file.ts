import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The command that a unit of systemd starts, with some of its words replaced. */
export function commandOf(unit: string, replaced: Readonly<Record<string, string>>): string[] {
  const text = readFileSync(join(import.meta.dir, unit), "utf8").replaceAll("\\\n", " ");
  const command = /^ExecStart=(.*)$/m.exec(text)?.[1];
  if (command === undefined) throw new Error(`${unit} starts nothing`);
  const words = command.split(/\s+/).map((word) => replaced[word] ?? word);
  const missing = Object.values(replaced).filter((word) => !words.includes(word));
  if (missing.length > 0) throw new Error(`${unit} has no place for ${missing.join(", ")}`);
  return words;
}
