import { html } from "hono/html";

/** A file of the documentation browser. */
export interface DocsFile {
  readonly mediaType: string;
  body(): ReadableStream<Uint8Array>;
}

/** The files under /docs/, by name: Swagger UI's own. */
export type Docs = Readonly<Record<string, DocsFile>>;

/** `GET /docs`: /openapi.json, to be browsed and tried out. Needs nothing from the network but this server. */
export function docsPage() {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>Kilde HTTP API</title>
        <link rel="stylesheet" href="docs/swagger-ui.css" />
      </head>
      <body>
        <div id="docs"></div>
        <script src="docs/swagger-ui-bundle.js"></script>
        <script>
          SwaggerUIBundle({ url: "openapi.json", dom_id: "#docs", deepLinking: true });
        </script>
      </body>
    </html>`;
}
