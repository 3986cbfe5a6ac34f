import { API, type Project } from "typescript/unstable/async";
import type { SourceFile } from "typescript/unstable/ast";
import { createVirtualFileSystem } from "typescript/unstable/fs";

/** A program of files that are in memory, checked by the TypeScript compiler. */
export interface Compiled {
  readonly sourceFile: (name: string) => Promise<SourceFile>;
  /** What the compiler reports, as `name: message`. */
  readonly faults: readonly string[];
}

const FOLDER = "/program";

async function faultsOf({ program }: Project): Promise<string[]> {
  const diagnostics = [
    ...(await program.getSyntacticDiagnostics()),
    ...(await program.getSemanticDiagnostics()),
  ];
  return diagnostics.map(({ fileName, text }) => `${String(fileName).slice(FOLDER.length + 1)}: ${text}`);
}

/** Compiles files, by name, and hands the result to `use`. */
export async function compileFiles<Result>(
  files: Readonly<Record<string, string>>,
  use: (compiled: Compiled) => Promise<Result>,
): Promise<Result> {
  const compilerOptions = { noEmit: true, strict: true, types: [], lib: ["ESNext"] };
  const fs = createVirtualFileSystem({
    [`${FOLDER}/tsconfig.json`]: JSON.stringify({ compilerOptions, include: ["*.ts"] }),
    ...Object.fromEntries(Object.entries(files).map(([name, text]) => [`${FOLDER}/${name}`, text])),
  });
  const api = new API({ cwd: FOLDER, fs });
  try {
    const snapshot = await api.updateSnapshot({ openProject: `${FOLDER}/tsconfig.json` });
    const [project] = snapshot.getProjects();
    if (project === undefined) throw new Error("the compiler opened no project");
    const sourceFile = async (name: string) => {
      const file = await project.program.getSourceFile(`${FOLDER}/${name}`);
      if (file === undefined) throw new Error(`the compiler has no ${name}`);
      return file;
    };
    return await use({ sourceFile, faults: await faultsOf(project) });
  } finally {
    await api.close();
  }
}
