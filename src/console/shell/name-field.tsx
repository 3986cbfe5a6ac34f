import type { Signal } from "@preact/signals";

import { TextField } from "./text-field.tsx";

export interface NameFieldProps {
  /** The name that the user has to type. */
  readonly name: string;
  readonly typed: Signal<string>;
}

/** Asks for the name of a thing, so that nobody changes another one by mistake. */
export function NameField({ name, typed }: NameFieldProps) {
  const label = (
    <>
      Type <code>{name}</code> to confirm
    </>
  );
  return <TextField label={label} text={typed} isRequired />;
}
