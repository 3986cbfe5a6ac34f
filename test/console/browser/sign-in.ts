import type { BrowserContext } from "playwright-core";

/** Gives a browser the cookie of a session, as signing in on the page does. */
export async function signIn(context: BrowserContext, url: string, token: string): Promise<void> {
  const answer = await context.request.post(`${url}/session`, { data: { token } });
  if (!answer.ok()) throw new Error(`The server refused the session: ${await answer.text()}`);
}
