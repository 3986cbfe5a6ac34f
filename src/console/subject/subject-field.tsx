import { useSignal } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";

import { useConsole } from "../shell/console-context.ts";

export interface SubjectFieldProps {
  /** The name that is shown now; empty: none. */
  readonly name: string;
  /** Only versions of this feed are shown; absent: all. */
  readonly feed?: string | undefined;
}

/** Asks for the name of a subject, and opens its view. */
export function SubjectField({ name, feed }: SubjectFieldProps) {
  const { router } = useConsole();
  const id = useId();
  const typed = useSignal(name);
  useEffect(() => {
    typed.value = name;
  }, [name]);
  return (
    <search>
      <form
        class="controls"
        onSubmit={(event) => {
          event.preventDefault();
          router.go(router.href("subject", { name: typed.value, feed }));
        }}
      >
        <p class="field">
          <label htmlFor={id}>Name of a stream or subject</label>
          <input
            id={id}
            type="search"
            required
            autoComplete="off"
            spellcheck={false}
            placeholder="user-1"
            value={typed.value}
            onInput={({ currentTarget }) => {
              typed.value = currentTarget.value;
            }}
          />
        </p>
        <p class="actions">
          <button type="submit">Look at it</button>
        </p>
      </form>
    </search>
  );
}
