import { useEffect } from "preact/hooks";

import { identityOf } from "../data/session-state.ts";
import { SignIn } from "../sign-in/sign-in.tsx";
import { useConsole } from "./console-context.ts";
import { Layout } from "./layout.tsx";
import { Problem } from "./problem.tsx";

/** The sign-in until the sender is known, then the views. */
function Page() {
  const { session } = useConsole();
  const state = session.state.value;
  switch (state.kind) {
    case "asking":
      return null;
    case "failed":
      return (
        <main class="sign-in">
          <h1>Kilde</h1>
          <Problem error={state.error} onRetry={() => void session.refresh()} />
        </main>
      );
    case "signed-out":
      return <SignIn hasEnded={state.hasEnded} />;
    case "signed-in":
      // Another sender gets a new page: the old one has values that only its sender may see.
      return <Layout key={identityOf(state)} sender={state.sender} />;
  }
}

/** The page, below the name of the environment, which is visible also before the sign-in. */
export function Shell() {
  const { session, environment } = useConsole();
  useEffect(() => {
    void session.refresh();
  }, []);
  return (
    <>
      {environment !== null && (
        <aside class="environment" aria-label="Environment">
          Environment: <strong>{environment}</strong>
        </aside>
      )}
      <Page />
    </>
  );
}
