import type { ComponentChildren } from "preact";

export interface DataTableProps {
  /** Names the table for readers who do not see it. */
  readonly caption: string;
  readonly columns: readonly string[];
  /** Rows, whose first cell is a header. */
  readonly children: ComponentChildren;
}

/** A table that scrolls sideways on small screens. */
export function DataTable({ caption, columns, children }: DataTableProps) {
  return (
    <div class="wide">
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
