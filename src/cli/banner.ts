/** What a person is told when the server has started: where it is, and what to try next. */
export function banner({
  version,
  url,
  database,
}: {
  version: string;
  url: string;
  database: string;
}): string {
  return `Kilde ${version} listens on ${url} (database ${database})

Append an event:
  curl ${url}/streams/user-1 -H 'Content-Type: application/json' \\
    -d '{"events":[{"type":"UserRegistered","data":{"name":"Ida"}}]}'

Read the log, and follow it:
  curl ${url}/events
  curl -N ${url}/events -H 'Accept: text/event-stream'

Browse the API at ${url}/docs. Stop with Ctrl-C.
`;
}
