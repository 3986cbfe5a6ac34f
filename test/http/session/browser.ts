/** The cookies of a browser, by origin, and its requests with them. It follows no redirects. */
export interface Browser {
  fetch(url: string, init?: RequestInit): Promise<Response>;
  /** The cookies of an origin, by name. */
  cookies(origin: string): ReadonlyMap<string, string>;
  /** A browser with the same cookies, as if they were stolen. */
  copy(): Browser;
}

type Send = (url: string, init: RequestInit) => Promise<Response>;

/** `send`: reaches the origins that are not addresses. */
export function openBrowser(send: Send, jar = new Map<string, Map<string, string>>()): Browser {
  const cookiesOf = (origin: string) => {
    const cookies = jar.get(origin) ?? new Map<string, string>();
    jar.set(origin, cookies);
    return cookies;
  };
  return {
    async fetch(url, init = {}) {
      const cookies = cookiesOf(new URL(url).origin);
      const headers = new Headers(init.headers);
      const sent = [...cookies].map(([name, value]) => `${name}=${value}`);
      if (sent.length > 0) headers.set("cookie", sent.join("; "));
      const response = await send(url, { ...init, headers, redirect: "manual" });
      for (const text of response.headers.getSetCookie()) {
        const [pair = "", ...attributes] = text.split(/; ?/);
        const [name = "", value = ""] = pair.split(/=(.*)/s);
        const isOver = attributes.some((each) => /^(max-age=0|expires=thu, 01 jan 1970.*)$/i.test(each));
        if (isOver) cookies.delete(name);
        else cookies.set(name, value);
      }
      return response;
    },
    cookies: (origin) => cookiesOf(origin),
    copy: () => openBrowser(send, new Map([...jar].map(([origin, cookies]) => [origin, new Map(cookies)]))),
  };
}
