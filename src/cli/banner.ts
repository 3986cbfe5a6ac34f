/** A tenant, and its address. */
export interface ServedTenant {
  readonly name: string;
  readonly url: string;
  readonly database: string;
}

function tried(url: string): string {
  return `
Append an event:
  curl ${url}/streams/user-1 -H 'Content-Type: application/json' \\
    -d '{"events":[{"type":"UserRegistered","data":{"name":"Ida"}}]}'

Read the log, and follow it:
  curl ${url}/events
  curl -N ${url}/events -H 'Accept: text/event-stream'

Read the guide at ${url}/docs, and browse the API at ${url}/docs/api. Stop with Ctrl-C.
`;
}

/** The text for people when the server has started: its address, and commands to try. */
export function banner({
  version,
  url,
  database,
}: {
  version: string;
  url: string;
  database: string;
}): string {
  return `Kilde ${version} listens on ${url} (database ${database})\n${tried(url)}`;
}

/** The same for a server with tenants. */
export function tenantsBanner({
  version,
  url,
  tenants,
}: {
  version: string;
  url: string;
  tenants: readonly ServedTenant[];
}): string {
  const longest = Math.max(...tenants.map(({ name }) => name.length));
  const lines = tenants.map(
    (tenant) => `  ${tenant.name.padEnd(longest)}  ${tenant.url} (database ${tenant.database})\n`,
  );
  const [first] = tenants;
  return `Kilde ${version} listens on ${url}, for ${tenants.length} tenants:\n${lines.join("")}${tried(first?.url ?? url)}`;
}
