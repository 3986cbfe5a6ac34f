import { useId } from "preact/hooks";

import { FieldNotes } from "./field-notes.tsx";
import { useFault } from "./form-faults.ts";

export interface SelectFieldProps {
  readonly label: string;
  /** The member of the request's body that it states: the server's fault of it appears at the field. */
  readonly member?: string;
  readonly value: string;
  readonly choices: readonly (readonly [value: string, text: string])[];
  readonly onChange: (value: string) => void;
}

/** A labeled choice of one value. */
export function SelectField({ label, member, value, choices, onChange }: SelectFieldProps) {
  const id = useId();
  const fault = useFault(member);
  const noted = fault === undefined ? {} : { "aria-invalid": true, "aria-describedby": `${id}-notes` };
  return (
    <p class="field">
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        {...noted}
        value={value}
        onChange={({ currentTarget }) => onChange(currentTarget.value)}
      >
        {choices.map(([each, text]) => (
          <option key={each} value={each}>
            {text}
          </option>
        ))}
      </select>
      {fault !== undefined && <FieldNotes id={`${id}-notes`} fault={fault} />}
    </p>
  );
}
