import type { Admission } from "../access/admission.ts";

/** A tenant, and its address. */
export interface ServedTenant {
  readonly name: string;
  readonly url: string;
  readonly database: string;
}

/** States whether requests need a key. */
const ADMISSIONS: Readonly<Record<Admission, string>> = {
  open: "Open: anyone who reaches this address may do everything. From the first key on, requests need one:",
  closed: "Closed: requests need a key, in `Authorization: Bearer <token>`. To create one:",
  unsecured:
    "Not secured: requests are refused until the first key exists (or start with --open). To create it:",
};

/** The command that creates a key. */
function keyCommand(admission: Admission, tenant: ServedTenant | undefined): string {
  const key = admission === "closed" ? "<name> --may <grant>" : "admin --may admin";
  return `kilde keys create ${key}${tenant === undefined ? "" : ` --tenant ${tenant.name}`}`;
}

/** A browser shows the guide of a server that asks for credentials only with the cookie of a session. */
function guide(url: string, admission: Admission): string {
  return admission === "open"
    ? `Read the guide at ${url}/docs, and browse the API at ${url}/docs/api.`
    : `The guide at ${url}/docs and the API at ${url}/docs/api need a key too; browsers need a session (POST ${url}/session).`;
}

function tried(url: string, admission: Admission, tenant?: ServedTenant): string {
  const token = admission === "open" ? "" : ' -H "Authorization: Bearer $KILDE_TOKEN"';
  return `
${ADMISSIONS[admission]}
  ${keyCommand(admission, tenant)}

Append an event:
  curl ${url}/streams/user-1${token} -H 'Content-Type: application/json' \\
    -d '{"events":[{"type":"UserRegistered","data":{"name":"Ida"}}]}'

Read the log, and follow it:
  curl ${url}/events${token}
  curl -N ${url}/events${token} -H 'Accept: text/event-stream'

${guide(url, admission)} Stop with Ctrl-C.
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
  return `Kilde ${version} listens on ${url}, for ${tenants.length} tenants:\n${lines.join("")}${tried(first?.url ?? url, admission, first)}`;
}
