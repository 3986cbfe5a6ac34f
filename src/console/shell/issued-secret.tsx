import { useEffect, useRef } from "preact/hooks";

import { CopyText } from "./copy-text.tsx";

export interface IssuedSecretProps {
  readonly title: string;
  /** Secrets by name; those of null are left out. */
  readonly secrets: readonly (readonly [name: string, secret: string | null])[];
  readonly onClose: () => void;
}

/** Shows secrets once: the server does not store them in a form that it could show again. */
export function IssuedSecret({ title, secrets, onClose }: IssuedSecretProps) {
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    section.current?.focus();
  }, []);
  return (
    <section class="issued" aria-label={title} tabIndex={-1} ref={section}>
      <h2>{title}</h2>
      <p>Copy it now: it is shown only this once.</p>
      {secrets.map(
        ([name, secret]) =>
          secret !== null && (
            <div key={name}>
              <h3>{name}</h3>
              <CopyText text={secret} label={`Copy: ${name}`} />
            </div>
          ),
      )}
      <button type="button" onClick={onClose}>
        I have stored it
      </button>
    </section>
  );
}
