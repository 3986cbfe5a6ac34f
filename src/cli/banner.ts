import type { Admission } from "../access/admission.ts";

/** A tenant, and its address. */
export interface ServedTenant {
  readonly name: string;
  readonly url: string;
  readonly database: string;
}

const FIRST_KEY = "kilde keys create admin --may admin";

/** States whether requests need a key, and the command that creates one. */
const ADMISSIONS: Readonly<Record<Admission, string>> = {
  open: `Open: anyone who reaches this address may do everything. From the first key on, requests need one:
  ${FIRST_KEY}`,
  closed: `Closed: requests need a key, in \`Authorization: Bearer <token>\`. To create one:
  kilde keys create <name> --may <grant>`,
  unsecured: `Not secured: requests are refused until the first key exists (or start with --open). To create it:
  ${FIRST_KEY}`,
};

function tried(url: string, admission: Admission): string {
  const token = admission === "open" ? "" : ' -H "Authorization: Bearer $KILDE_TOKEN"';
  return `
${ADMISSIONS[admission]}

Append an event:
  curl ${url}/streams/user-1${token} -H 'Content-Type: application/json' \\
    -d '{"events":[{"type":"UserRegistered","data":{"name":"Ida"}}]}'

Read the log, and follow it:
  curl ${url}/events${token}
  curl -N ${url}/events${token} -H 'Accept: text/event-stream'

Read the guide at ${url}/docs, and browse the API at ${url}/docs/api. Stop with Ctrl-C.
`;
}

/** The text for people when the server has started: its address, and commands to try. */
export function banner({
  version,
  url,
  database,
  admission,
}: {
  version: string;
  url: string;
  database: string;
  admission: Admission;
}): string {
  return `Kilde ${version} listens on ${url} (database ${database})\n${tried(url, admission)}`;
}

/** The same for a server with tenants. */
export function tenantsBanner({
  version,
  url,
  tenants,
  admission,
}: {
  version: string;
  url: string;
  tenants: readonly ServedTenant[];
  admission: Admission;
}): string {
  const longest = Math.max(...tenants.map(({ name }) => name.length));
  const lines = tenants.map(
    (tenant) => `  ${tenant.name.padEnd(longest)}  ${tenant.url} (database ${tenant.database})\n`,
  );
  const [first] = tenants;
  return `Kilde ${version} listens on ${url}, for ${tenants.length} tenants:\n${lines.join("")}${tried(first?.url ?? url, admission)}`;
}
