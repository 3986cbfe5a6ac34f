import type { Signal } from "@preact/signals";
import type { ComponentChildren, TargetedEvent } from "preact";
import { useId } from "preact/hooks";

export interface TextFieldProps {
  readonly label: ComponentChildren;
  /** Its text, which follows the typed one. */
  readonly text: Signal<string>;
  readonly isRequired?: boolean;
  /** Several lines. */
  readonly isLong?: boolean;
  readonly type?: "text" | "number" | "datetime-local";
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
    "aria-describedby": hint === undefined ? undefined : `${id}-hint`,
  };
  return (
    <p class="field">
      <label htmlFor={id}>{label}</label>
      {isLong ? (
        <textarea {...attributes} rows={4} />
      ) : (
        <input {...attributes} type={type} min={type === "number" ? 0 : undefined} />
      )}
      {hint !== undefined && (
        <small id={`${id}-hint`} class="muted">
          {hint}
        </small>
      )}
    </p>
  );
}
