import { contentFile, type StaticFile } from "../../http/service/static-file.ts";

/** Loads the guide. The build replaces this module with one that has the rendered files. */
export async function loadDocsSite(): Promise<ReadonlyMap<string, StaticFile>> {
  const { renderSite } = await import("../../docs/site/render-site.ts");
  const files = await renderSite();
  return new Map([...files].map(([path, { mediaType, content }]) => [path, contentFile(mediaType, content)]));
}
