/** Programs of Node: the one on the PATH, and others in `KILDE_TEST_NODES`, separated by colons. */
export const NODES = [Bun.which("node"), ...(process.env["KILDE_TEST_NODES"] ?? "").split(":")].filter(
  (program): program is string => program !== null && program !== "",
);
