import { useConsole } from "../shell/console-context.ts";
import type { ViewProps } from "../shell/views.ts";
import { KeyDetail } from "./key-detail.tsx";
import { KeyList } from "./key-list.tsx";

/** Lists keys, or shows one. */
export function KeysView({ rest, query }: ViewProps) {
  const { session } = useConsole();
  const [id] = rest;
  if (!session.may("admin").value) {
    return (
      <>
        <h1>Keys</h1>
        <p>
          Only senders with the grant <code>admin</code> see and change keys.
        </p>
      </>
    );
  }
  if (id !== undefined && id !== "") return <KeyDetail key={id} id={id} />;
  return <KeyList after={query.get("after") ?? ""} />;
}
