/** A span as a collector receives it. */
export interface ReceivedSpan {
  readonly service: string;
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly hasFailed: boolean;
}

/** The part of OTLP's JSON that the tests read. */
interface Exported {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<ReceivedSpan, "service" | "attributes" | "links" | "hasFailed"> & {
        readonly attributes?: readonly Attribute[];
        readonly links?: ReceivedSpan["links"];
        readonly status: { readonly code?: number };
      })[];
    }[];
  }[];
}

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

function attributesOf(attributes: readonly Attribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

/** A collector that receives spans by OTLP over HTTP. */
export interface Collector {
  readonly url: string;
  readonly spans: ReceivedSpan[];
  /** Media types of the requests. */
  readonly mediaTypes: Set<string>;
  stop(): Promise<void>;
}

/** Starts a collector. It decodes JSON, and counts other media types only. */
export function startCollector(): Collector {
  const spans: ReceivedSpan[] = [];
  const mediaTypes = new Set<string>();
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const mediaType = request.headers.get("content-type") ?? "";
      if (new URL(request.url).pathname !== "/v1/traces") return new Response(null, { status: 404 });
      mediaTypes.add(mediaType);
      const body = await request.text();
      if (mediaType !== "application/json") return new Response(null);
      for (const { resource, scopeSpans } of (JSON.parse(body) as Exported).resourceSpans) {
        const service = String(attributesOf(resource.attributes)["service.name"]);
        for (const { attributes, links = [], status, ...span } of scopeSpans.flatMap((scope) => scope.spans))
          spans.push({
            ...span,
            service,
            links,
            attributes: attributesOf(attributes),
            hasFailed: status.code === 2,
          });
      }
      return Response.json({});
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    spans,
    mediaTypes,
    stop: () => server.stop(true),
  };
}
