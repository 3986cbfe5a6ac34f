import type { Signal } from "@preact/signals";
import type { ComponentChildren, TargetedEvent } from "preact";
import { useId } from "preact/hooks";

import { FieldNotes } from "./field-notes.tsx";
import { useFault } from "./form-faults.ts";

export interface TextFieldProps {
  readonly label: ComponentChildren;
  /** The member of the request's body that it states: the server's fault of it appears at the field. */
  readonly member?: string;
  /** Its text, which follows the typed one. */
  readonly text: Signal<string>;
  readonly isRequired?: boolean;
  /** Several lines. */
  readonly isLong?: boolean;
  readonly type?: "text" | "number" | "url" | "datetime-local";
  /** Explains the value, below the field. */
  readonly hint?: ComponentChildren;
  readonly placeholder?: string;
  readonly maxLength?: number;
}

type FieldEvent = TargetedEvent<HTMLInputElement | HTMLTextAreaElement>;

/** A labeled field for a text or number. */
export function TextField(props: TextFieldProps) {
  const { label, text, isRequired = false, isLong = false, type = "text", hint } = props;
  const id = useId();
  const fault = useFault(props.member);
  const isNoted = hint !== undefined || fault !== undefined;
  const attributes = {
    id,
    value: text.value,
    onInput: ({ currentTarget }: FieldEvent) => {
      text.value = currentTarget.value;
    },
    required: isRequired,
    autoComplete: "off",
    spellcheck: false,
    placeholder: props.placeholder,
    maxLength: props.maxLength,
    "aria-invalid": fault === undefined ? undefined : true,
    "aria-describedby": isNoted ? `${id}-notes` : undefined,
  };
  return (
    <p class="field">
      <label htmlFor={id}>{label}</label>
      {isLong ? (
        <textarea {...attributes} rows={4} />
      ) : (
        <input {...attributes} type={type} min={type === "number" ? 0 : undefined} />
      )}
      {isNoted && <FieldNotes id={`${id}-notes`} fault={fault} hint={hint} />}
    </p>
  );
}
