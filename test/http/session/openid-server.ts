import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { type Configuration, Provider } from "oidc-provider";

import type { Browser } from "./browser.ts";

export const CLIENT_ID = "kilde";
export const CLIENT_SECRET = "a secret of the client, with + and %";

/** A real OpenID provider at an address of this machine. Everyone who comes is signed in at once, as one person. */
export interface OpenIdServer {
  readonly url: string;
  /** The next person who comes. */
  signedIn: string;
  /** Requests so far, by path. */
  readonly requests: ReadonlyMap<string, number>;
  /** Signs a browser in at the URL that Kilde sent it to, and returns the URL that the provider sends it back to. */
  signIn(location: string, browser: Browser): Promise<URL>;
  stop(): Promise<void>;
}

function configuration(callbacks: readonly string[], client: object): Configuration {
  return {
    clients: [
      { client_id: CLIENT_ID, client_secret: CLIENT_SECRET, redirect_uris: [...callbacks], ...client },
    ],
    claims: { openid: ["sub"], email: ["email"], groups: ["groups"] },
    scopes: ["openid", "email", "groups"],
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@people.example`, groups: [`group-of-${id}`] }),
    }),
    async loadExistingGrant({ oidc: { client: known, session, provider } }) {
      const grant = new provider.Grant({
        clientId: known?.clientId ?? "",
        accountId: session?.accountId ?? "",
      });
      grant.addOIDCScope("openid email groups");
      await grant.save();
      return grant;
    },
    cookies: { keys: ["only for tests"] },
    ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 60, IdToken: 60, Interaction: 60, Session: 60 },
  };
}

/** The provider warns that it keeps everything in memory. */
function quietly<Result>(work: () => Result): Result {
  const { warn } = console;
  console.warn = () => {};
  try {
    return work();
  } finally {
    console.warn = warn;
  }
}

export async function startOpenIdServer(
  callbacks: readonly string[],
  client: object = {},
): Promise<OpenIdServer> {
  const http = createServer();
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const provider = quietly(() => new Provider(url, configuration(callbacks, client)));
  const answer = provider.callback();
  const requests = new Map<string, number>();
  http.on("request", (request, response) => {
    const { pathname } = new URL(request.url ?? "/", url);
    requests.set(pathname, (requests.get(pathname) ?? 0) + 1);
    if (!pathname.startsWith("/interaction/")) return void answer(request, response);
    const result = { login: { accountId: server.signedIn } };
    return void provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  });
  const server: OpenIdServer = {
    url,
    signedIn: "mette",
    requests,
    async signIn(location, browser) {
      for (let next = new URL(location); ;) {
        if (next.origin !== url) return next;
        const response = await browser.fetch(next.href);
        const to = response.headers.get("location");
        if (to === null) throw new Error(`${response.status}: ${await response.text()}`);
        next = new URL(to, next);
      }
    },
    stop: () =>
      new Promise((resolve) => {
        http.closeAllConnections();
        http.close(() => resolve());
      }),
  };
  return server;
}
