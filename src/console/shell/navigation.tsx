import { useConsole } from "./console-context.ts";
import { type View, VIEWS } from "./views.ts";

/** Links to the views; the current one is marked. */
export function Navigation({ current }: { readonly current: View | undefined }) {
  const { router, session } = useConsole();
  const currentName = current?.within ?? current?.name;
  return (
    <nav aria-label="Views">
      <ul>
        {VIEWS.filter(
          ({ within, needs }) => within === undefined && (needs === undefined || session.may(needs).value),
        ).map(({ name, title }) => (
          <li key={name}>
            <a href={router.href(name)} aria-current={name === currentName ? "page" : undefined}>
              {title}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
