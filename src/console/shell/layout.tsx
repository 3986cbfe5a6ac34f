import { useEffect, useRef } from "preact/hooks";

import type { SenderInfo } from "../../client/session.ts";
import type { LiveStatus } from "../live/live.ts";
import { useConsole } from "./console-context.ts";
import { Problem } from "./problem.tsx";
import { useAction } from "./use-action.ts";
import { Navigation } from "./navigation.tsx";
import { ShownView } from "./shown-view.tsx";
import { VIEWS } from "./views.ts";

const STATUS_TEXTS: Readonly<Record<LiveStatus, string>> = {
  connecting: "Connecting…",
  live: "Live",
  offline: "Connection lost: reconnecting…",
  ended: "Not live: load the page again",
};

function Status() {
  const { live } = useConsole();
  const status = live.status.value;
  return (
    <p class={`status ${status}`} role="status">
      {STATUS_TEXTS[status]}
    </p>
  );
}

function SenderMenu({ sender }: { readonly sender: SenderInfo }) {
  const { session } = useConsole();
  const { error, run } = useAction();
  if (sender.kind === "anybody") return <p class="sender">This store is open to everyone</p>;
  return (
    <div class="sender">
      <span>{sender.name ?? "Without a name"}</span>{" "}
      {sender.kind === "session" && (
        <button type="button" onClick={() => run(() => session.signOut())}>
          Sign out
        </button>
      )}
      {error !== null && <Problem error={error} />}
    </div>
  );
}

/** The page around every view. */
export function Layout({ sender }: { readonly sender: SenderInfo }) {
  const { router, environment } = useConsole();
  const main = useRef<HTMLElement>(null);
  const address = router.address.value;
  const { view: name, rest, query } = address;
  const view = VIEWS.find((each) => each.name === name);
  const title = view?.title ?? "Nothing is here";

  useEffect(() => {
    document.title = [title, environment, "Kilde"].filter((part) => part !== null).join(" · ");
  }, [title, environment]);

  const shown = useRef(address);
  useEffect(() => {
    if (shown.current === address) return;
    const isOtherView = shown.current.view !== address.view;
    shown.current = address;
    // Screen readers continue at the new view, also where the link that was followed is gone.
    if (isOtherView || document.activeElement === document.body) main.current?.focus();
  }, [address]);

  return (
    <>
      <a class="skip" href="#content" onClick={() => main.current?.focus()}>
        Skip to the content
      </a>
      <header>
        <a class="name" href={router.href("overview")}>
          Kilde
        </a>
        <Navigation current={view} />
        <Status />
        <SenderMenu sender={sender} />
      </header>
      <main id="content" tabIndex={-1} ref={main}>
        {view === undefined ? (
          <section class="empty">
            <h1>{title}</h1>
            <p>
              The console has no view at this address.{" "}
              <a href={router.href("overview")}>Go to the overview</a>
            </p>
          </section>
        ) : (
          <ShownView view={view} rest={rest} query={query} />
        )}
      </main>
    </>
  );
}
