import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useErrorBoundary } from "preact/hooks";

import { Problem } from "./problem.tsx";
import type { View, ViewProps } from "./views.ts";

interface ShownViewProps extends ViewProps {
  readonly view: View;
}

type LoadedView =
  | { readonly kind: "loading" }
  | { readonly kind: "failed" }
  | { readonly kind: "loaded"; readonly name: string; readonly Component: ComponentType<ViewProps> };

/** Loads the code of a view and shows it. An error within the view leaves the navigation usable. */
export function ShownView({ view, rest, query }: ShownViewProps) {
  const loaded = useSignal<LoadedView>({ kind: "loading" });
  const [error, forgetError] = useErrorBoundary();

  useEffect(() => {
    forgetError();
    let isCurrent = true;
    view.load().then(
      (Component) => {
        if (isCurrent) loaded.value = { kind: "loaded", name: view.name, Component };
      },
      () => {
        if (isCurrent) loaded.value = { kind: "failed" };
      },
    );
    return () => {
      isCurrent = false;
    };
  }, [view]);

  if (error !== undefined) return <Problem error={error} onRetry={forgetError} />;
  const { value } = loaded;
  if (value.kind === "failed") {
    return (
      <section class="problem" role="alert">
        <h3>This view could not be loaded</h3>
        <p>The server does not answer, or it was replaced by another version since you opened the page.</p>
        <button type="button" onClick={() => location.reload()}>
          Load the page again
        </button>
      </section>
    );
  }
  if (value.kind === "loading" || value.name !== view.name) return <p class="muted">Loading…</p>;
  return <value.Component rest={rest} query={query} />;
}
