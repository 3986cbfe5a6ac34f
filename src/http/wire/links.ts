import type { Context } from "hono";

import type { AppDeps } from "../deps.ts";

type Parameters = Readonly<Record<string, string | number | undefined>>;

/** Returns the name of a parameter from its text in a query. */
function nameOf(text: string): string {
  const end = text.indexOf("=");
  const name = end === -1 ? text : text.slice(0, end);
  return name.includes("%") || name.includes("+") ? decodeURIComponent(name.replaceAll("+", " ")) : name;
}

/**
 * Returns a function that writes the path of this request with other query parameters; undefined ones are left out.
 * Each page has four such links, so the request's own query is split once, as text.
 */
export function linker(c: Context, { basePath }: AppDeps): (parameters: Parameters) => string {
  const { url } = c.req;
  const begin = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.indexOf("?", begin);
  const path = basePath + (end === -1 ? url.slice(begin) : url.slice(begin, end));
  const stated = end === -1 ? [] : url.slice(end + 1).split("&");
  const named = stated.filter(Boolean).map((text) => [nameOf(text), text] as const);
  return (parameters) => {
    const left = new Map(Object.entries(parameters));
    const texts: string[] = [];
    const put = (name: string) => {
      const value = left.get(name);
      left.delete(name);
      if (value !== undefined) texts.push(`${name}=${encodeURIComponent(value)}`);
    };
    for (const [name, text] of named) {
      if (Object.hasOwn(parameters, name)) put(name);
      else texts.push(text);
    }
    for (const name of left.keys()) put(name);
    return texts.length === 0 ? path : `${path}?${texts.join("&")}`;
  };
}

/** Returns the path of this request with other query parameters. */
export function hereWith(c: Context, deps: AppDeps, parameters: Parameters): string {
  return linker(c, deps)(parameters);
}
