import { join } from "node:path";

import { run } from "../run.ts";

interface LockedPackage {
  readonly name?: string;
  readonly version?: string;
  readonly dev?: boolean;
  /** Only development, or an optional peer, needs it. */
  readonly devOptional?: boolean;
}

interface Bill {
  readonly metadata: { readonly component: { readonly "bom-ref": string } };
  readonly components: readonly { readonly "bom-ref": string }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** References to the packages that a release contains. */
async function shippedPackages(root: string): Promise<ReadonlySet<string>> {
  const lock = (await Bun.file(join(root, "package-lock.json")).json()) as {
    readonly packages: Readonly<Record<string, LockedPackage>>;
  };
  const shipped = Object.entries(lock.packages).filter(
    ([path, { dev, devOptional }]) => path !== "" && dev !== true && devOptional !== true,
  );
  return new Set(
    shipped.map(([path, { name, version }]) => `${name ?? path.split("node_modules/").at(-1)}@${version}`),
  );
}

/**
 * Writes the bill of materials (CycloneDX) of a release. It filters the bill of all packages, because `npm sbom --omit=dev` leaves
 * out each package that a package of development uses too, such as zod.
 */
export async function writeBillOfMaterials(root: string, file: string): Promise<void> {
  const text = await run(["npm", "sbom", "--sbom-format=cyclonedx", "--package-lock-only"], root);
  const bill = JSON.parse(text) as Bill;
  const shipped = await shippedPackages(root);
  const components = bill.components.filter((component) => shipped.has(component["bom-ref"]));
  const own = bill.metadata.component["bom-ref"];
  const dependencies = bill.dependencies
    .filter(({ ref }) => ref === own || shipped.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => shipped.has(other)) }));
  await Bun.write(file, `${JSON.stringify({ ...bill, components, dependencies }, null, 2)}\n`);
}
