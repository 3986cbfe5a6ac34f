/** A cell holds one line, and a bar would end it. */
function cell(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ").replaceAll("|", "\\|");
}

/** Escapes what Markdown would read as HTML or emphasis, except in code. A URL becomes code: examples are no links. */
export function prose(text: string): string {
  return text
    .split("`")
    .map((part, index) =>
      index % 2 === 0
        ? part.replaceAll(/[<*]/g, String.raw`\$&`).replaceAll(/(?<!\]\()\bhttps?:\/\/\w[^\s)]*/g, "`$&`")
        : part,
    )
    .join("`");
}

/** A table in Markdown. */
export function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return [line(columns), line(columns.map(() => "---")), ...rows.map(line)].join("\n");
}

export function code(text: string): string {
  return `\`${text}\``;
}

/** A page of the reference: a title, the file that defines its content, and blocks. */
export function referencePage(title: string, source: string, blocks: readonly string[]): string {
  const note = `<!-- Generated from ${source} by \`npm run docs:reference\`. Do not edit this page. -->`;
  return `${[`# ${title}`, note, ...blocks].join("\n\n")}\n`;
}
