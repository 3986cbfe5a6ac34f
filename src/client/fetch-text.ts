import { type RequestDeps, send } from "./request.ts";

export interface FetchTextOptions {
  /** Media type of the answer. Default: the server's choice. */
  readonly accept?: string;
  readonly signal?: AbortSignal;
}

/** Fetches the answer to a GET as text. Throws a TypeError for a path that does not begin with a slash. */
export function fetchText(deps: RequestDeps, path: string, options: FetchTextOptions): Promise<string> {
  if (!path.startsWith("/")) throw new TypeError(`fetchText: ${JSON.stringify(path)} must begin with "/"`);
  const { accept, signal } = options;
  const init = {
    ...(accept === undefined ? {} : { headers: { accept } }),
    ...(signal === undefined ? {} : { signal }),
  };
  return send(deps, path, init, (answer) => answer.text());
}
