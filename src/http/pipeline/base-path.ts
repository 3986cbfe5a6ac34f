/** Whether a path is the base path or below it. */
export function isBelow(path: string, basePath: string): boolean {
  return path === basePath || path.startsWith(`${basePath}/`);
}

/**
 * Returns the request with the base path removed. Leaves a request alone from which a router has already removed it.
 */
export function belowBasePath(request: Request, basePath: string): Request {
  const url = new URL(request.url);
  const { pathname } = url;
  if (!isBelow(pathname, basePath)) return request;
  url.pathname = pathname.slice(basePath.length);
  return new Request(url, request);
}
