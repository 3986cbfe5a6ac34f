import type { Archive } from "./archive.ts";

interface Failure {
  readonly error?: { readonly code?: string; readonly summary?: string };
}

/** The integrity of the version that the registry of npm has of an archive; null: it has none. Throws if npm gets no answer. */
export async function publishedIntegrity({ name, version }: Archive, folder: string): Promise<string | null> {
  const specification = `${name}@${version}`;
  // A cached answer may be older than the last attempt to publish.
  const command = ["npm", "view", specification, "dist.integrity", "--json", "--prefer-online"];
  const child = Bun.spawn(command, { cwd: folder, stdout: "pipe", stderr: "ignore" });
  const [output, exitCode] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  // npm 10 prints nothing where a package lacks a version.
  const answer = (output.trim() === "" ? null : JSON.parse(output)) as string | Failure | null;
  if (exitCode === 0 && (answer === null || typeof answer === "string")) return answer;
  const error = typeof answer === "object" ? answer?.error : undefined;
  if (error?.code === "E404") return null;
  throw new Error(`\`${command.join(" ")}\` failed: ${error?.summary ?? output}`);
}
