/** The positive whole number that a query has under a name; undefined: it has none. */
export function queryNumber(query: URLSearchParams, name: string): number | undefined {
  const stated = Number(query.get(name) ?? "");
  return Number.isSafeInteger(stated) && stated > 0 ? stated : undefined;
}
