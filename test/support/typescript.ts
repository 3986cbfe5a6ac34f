import { join } from "node:path";

import { API, type Project } from "typescript/unstable/async";
import type { SourceFile } from "typescript/unstable/ast";
import { createVirtualFileSystem, type FileSystem } from "typescript/unstable/fs";

/** A program of files that are in memory, checked by the TypeScript compiler. */
export interface Compiled {
  readonly sourceFile: (name: string) => Promise<SourceFile>;
  /** Reports of the compiler, as `name(line): message`. */
  readonly faults: readonly string[];
}

interface Program {
  readonly folder: string;
  readonly fs: FileSystem;
}

const ROOT = join(import.meta.dir, "../..");

/** Faults of these files; those of modules that they import are found elsewhere. */
async function faultsOf({ program }: Project, files: Readonly<Record<string, string>>): Promise<string[]> {
  const diagnostics = [
    ...(await program.getSyntacticDiagnostics()),
    ...(await program.getSemanticDiagnostics()),
  ];
  return diagnostics.flatMap(({ fileName = "", text, pos }) => {
    const name = fileName.slice(fileName.lastIndexOf("/") + 1);
    const line = (files[name] ?? "").slice(0, pos).split("\n").length;
    return Object.hasOwn(files, name) ? [`${name}(${line}): ${text}`] : [];
  });
}

async function compile<Result>(
  files: Readonly<Record<string, string>>,
  { folder, fs }: Program,
  use: (compiled: Compiled) => Promise<Result>,
): Promise<Result> {
  const api = new API({ cwd: folder, fs });
  try {
    const snapshot = await api.updateSnapshot({ openProject: `${folder}/tsconfig.json` });
    const [project] = snapshot.getProjects();
    if (project === undefined) throw new Error("the compiler opened no project");
    const sourceFile = async (name: string) => {
      const file = await project.program.getSourceFile(`${folder}/${name}`);
      if (file === undefined) throw new Error(`the compiler has no ${name}`);
      return file;
    };
    return await use({ sourceFile, faults: await faultsOf(project, files) });
  } finally {
    await api.close();
  }
}

/** Compiles files, by name, that import nothing, and hands the result to `use`. */
export async function compileFiles<Result>(
  files: Readonly<Record<string, string>>,
  use: (compiled: Compiled) => Promise<Result>,
): Promise<Result> {
  const folder = "/program";
  const compilerOptions = { noEmit: true, strict: true, types: [], lib: ["ESNext"] };
  const fs = createVirtualFileSystem({
    [`${folder}/tsconfig.json`]: JSON.stringify({ compilerOptions, include: ["*.ts"] }),
    ...Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text])),
  });
  return compile(files, { folder, fs }, use);
}

/** Reports of the compiler about files that may import the same modules as the project's own files. */
export async function faultsInProject(files: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const folder = join(ROOT, "in-memory");
  const config = {
    extends: "../tsconfig.json",
    // The settings of a user, who has fewer checks than the project.
    compilerOptions: {
      noUnusedLocals: false,
      noUnusedParameters: false,
      noPropertyAccessFromIndexSignature: false,
    },
    include: ["*.ts"],
  };
  const all: Readonly<Record<string, string>> = { ...files, "tsconfig.json": JSON.stringify(config) };
  const nameOf = (path: string) => (path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : null);
  const textOf = (path: string) => {
    const name = nameOf(path);
    return name === null ? undefined : all[name];
  };
  const fs: FileSystem = {
    readFile: textOf,
    fileExists: (path) => (nameOf(path) === null ? undefined : textOf(path) !== undefined),
    directoryExists: (path) => (path === folder ? true : undefined),
    getAccessibleEntries: (path) =>
      path === folder ? { files: Object.keys(all), directories: [] } : undefined,
    realpath: (path) => (nameOf(path) === null ? undefined : path),
  };
  return compile(files, { folder, fs }, ({ faults }) => Promise.resolve(faults));
}
