import type { ComponentChildren } from "preact";

export interface FieldNotesProps {
  /** Id of the element that the field refers to as its description. */
  readonly id: string;
  readonly fault: string | undefined;
  /** Explains the value. */
  readonly hint?: ComponentChildren;
}

/** The texts below a field: the fault of its value, and its hint. */
export function FieldNotes({ id, fault, hint }: FieldNotesProps) {
  return (
    <small id={id} class="muted">
      {fault !== undefined && <strong class="fault">{fault}. </strong>}
      {hint}
    </small>
  );
}
