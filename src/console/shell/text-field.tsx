import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

export interface TextFieldProps {
  readonly label: ComponentChildren;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly isRequired?: boolean;
  /** Several lines. */
  readonly isLong?: boolean;
  readonly type?: "text" | "number" | "datetime-local";
  /** Explains the value, below the field. */
  readonly hint?: ComponentChildren;
  readonly placeholder?: string;
  readonly maxLength?: number;
}

/** A labeled field for a text or number. */
export function TextField(props: TextFieldProps) {
  const { label, value, onInput, isRequired = false, isLong = false, type = "text", hint } = props;
  const id = useId();
  const attributes = {
    id,
    value,
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
        <textarea {...attributes} rows={4} onInput={({ currentTarget }) => onInput(currentTarget.value)} />
      ) : (
        <input
          {...attributes}
          type={type}
          min={type === "number" ? 0 : undefined}
          onInput={({ currentTarget }) => onInput(currentTarget.value)}
        />
      )}
      {hint !== undefined && (
        <small id={`${id}-hint`} class="muted">
          {hint}
        </small>
      )}
    </p>
  );
}
