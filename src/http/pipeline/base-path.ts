/** Whether a path is the base path or below it. */
export function isBelow(path: string, basePath: string): boolean {
  return path === basePath || path.startsWith(`${basePath}/`);
}

/** The request as it is at the root. One that a router has taken the base path from already is left as it is. */
export function belowBasePath(request: Request, basePath: string): Request {
  const url = new URL(request.url);
  const { pathname } = url;
  if (!isBelow(pathname, basePath)) return request;
  url.pathname = pathname.slice(basePath.length);
  return new Request(url, request);
}
