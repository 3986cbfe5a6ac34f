import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";

import { useConsole } from "../shell/console-context.ts";
import { Problem } from "../shell/problem.tsx";

/** Address that starts a sign-in at the OpenID provider, and returns to the shown view. */
function providerAddress(basePath: string): string {
  const query = new URLSearchParams({ return: location.pathname + location.search });
  return `${basePath}/session/oidc?${query.toString()}`;
}

/** Signs in with the token of a key, or at the OpenID provider. */
export function SignIn({ hasEnded }: { readonly hasEnded: boolean }) {
  const { session, basePath, hasProvider } = useConsole();
  const id = useId();
  const token = useSignal("");
  const isBusy = useSignal(false);
  const error = useSignal<unknown>(null);

  const signIn = async (): Promise<void> => {
    if (isBusy.value) return;
    isBusy.value = true;
    error.value = null;
    try {
      await session.signIn(token.value.trim());
    } catch (failure) {
      error.value = failure;
    } finally {
      isBusy.value = false;
    }
  };

  return (
    <main class="sign-in">
      <h1>Sign in to Kilde</h1>
      {hasEnded && <p role="status">Your session has ended.</p>}
      {hasProvider && (
        <p>
          <a class="button" href={providerAddress(basePath)}>
            Sign in with your organization
          </a>
        </p>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void signIn();
        }}
      >
        <p class="field">
          <label htmlFor={id}>Token of a key</label>
          <input
            id={id}
            type="password"
            required
            autoComplete="current-password"
            spellcheck={false}
            value={token.value}
            onInput={({ currentTarget }) => {
              token.value = currentTarget.value;
            }}
          />
        </p>
        <p class="muted">
          <code>kilde keys create</code> makes a key. The browser does not keep its token: it gets a cookie
          that scripts cannot read.
        </p>
        {error.value !== null && <Problem error={error.value} />}
        <p class="actions">
          <button type="submit" disabled={isBusy.value}>
            {isBusy.value ? "Signing in…" : "Sign in"}
          </button>
        </p>
      </form>
    </main>
  );
}
