import { type Invariant, isNotJsonOf, isUnusableName, REPAIR } from "../storage/invariant.ts";

const REVOKE = "Revoke the key with `kilde keys revoke`, and create another one.";

/** SQL condition for a value that is neither null nor a time in milliseconds since 1970. */
function isNotMilliseconds(column: string): string {
  return `(${column} is not null and (typeof(${column}) <> 'integer' or ${column} < 0))`;
}

/** The rules of keys and of the state that processes share about them. */
export const ACCESS_INVARIANTS: readonly Invariant[] = [
  {
    name: "keys are complete",
    remedy: REVOKE,
    sql: `select 'key ' || quote(id) || ': its id, digest, name, consumer, grants or times are not of a key' as detail from api_keys
      where typeof(id) <> 'text' or length(id) <> 12 or id glob '*[^a-z0-9]*'
        or typeof(digest) <> 'text' or length(digest) <> 64 or digest glob '*[^0-9a-f]*'
        or ${isUnusableName("name")} or (consumer is not null and ${isUnusableName("consumer")})
        or case when ${isNotJsonOf("array", "grants")} then 1
          else exists (select 1 from json_each(grants) as part where part.type <> 'text') end
        or created is null or ${isNotMilliseconds("created")} or ${isNotMilliseconds("expires")}
        or ${isNotMilliseconds("revoked")} or ${isNotMilliseconds("used")}`,
  },
  {
    name: "keys have their digest alone",
    remedy: REVOKE,
    sql: `select 'key ' || quote(min(id)) || ': another one has its digest' as detail from api_keys
      group by digest having count(*) > 1`,
  },
  {
    name: "keys that never end have their name alone",
    remedy: REVOKE,
    sql: `select 'key ' || quote(name) || ': ' || count(*) || ' of this name never end' as detail from api_keys
      where revoked is null and expires is null and successor is null group by name having count(*) > 1`,
  },
  {
    name: "a store that has had a key is secured",
    remedy: REPAIR,
    sql: `select 'there are keys, or the state of access is not one, and the store could be open' as detail
      where (exists (select 1 from api_keys) and not exists (select 1 from access_state where id = 0 and secured = 1))
        or exists (select 1 from access_state where id <> 0 or secured not in (0, 1) or typeof(revision) <> 'integer')`,
    repair: [
      "delete from access_state where id <> 0",
      `insert into access_state (id, revision, secured) values (0, 1, 1)
        on conflict (id) do update set secured = 1, revision = iif(typeof(revision) = 'integer', revision + 1, 1)`,
    ],
  },
];
