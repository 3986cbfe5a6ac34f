import type { ObjectiveKind } from "../../core/objective.ts";

/**
 * SQL: the data of an entry, with the contact that the objective of a feed or subscription states; as it is, if none does.
 * `data` and `name` are SQL expressions.
 */
export function withContact(data: string, kind: ObjectiveKind, name: string): string {
  return `(select iif(stated.contact is null, ${data}, json_set(${data}, '$.contact', stated.contact))
    from (select (select contact from objectives where kind = '${kind}' and name = ${name}) as contact) as stated)`;
}
