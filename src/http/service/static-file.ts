/** A file that a server serves as it is. */
export interface StaticFile {
  readonly mediaType: string;
  body(): ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | string;
}
