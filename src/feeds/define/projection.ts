import { ERASED_TYPE } from "../../core/event.ts";
import { jsonPointer } from "../../core/json-pointer.ts";
import { nameFault } from "../../core/names.ts";
import type { AnyFeedDefinition, SourceEvent } from "./define.ts";
import { type Feed, type Projected, ProjectionError } from "../feed.ts";
import { type Handler, handlerCall } from "./handler-call.ts";
import { deepFreeze, faultOf, withoutUndefinedMembers } from "../../core/json-value.ts";
import { accepted, publishedBy } from "../contract/published.ts";

interface Options {
  /** How messages name the feed: `declarations/v2`. */
  readonly label: string;
  readonly strict: boolean;
  readonly subjectBytes: number;
  /** JSON Schema of each published type, as it is served. */
  readonly schemas: Readonly<Record<string, unknown>>;
}

const ERASED: Projected = { state: null, events: [], erased: true };

/** Handlers of a definition by event type, each ready to be called. */
function callsOf(named: object, member: string, { label, strict }: Options) {
  return new Map(
    Object.entries(named).map(([type, handler]) => {
      const name = `${member}[${JSON.stringify(type)}] of the feed ${label}`;
      return [type, { name, call: handlerCall(name, handler as Handler, strict) }] as const;
    }),
  );
}

/** Source events as handlers receive them: `data` is parsed by the type's schema. */
function readWith({ events }: AnyFeedDefinition, { label, strict }: Options) {
  const schemas = new Map(Object.entries(events));
  let last: { readonly raw: SourceEvent; readonly read: SourceEvent } | null = null;

  return (subject: string, raw: SourceEvent): SourceEvent => {
    // A re-keyed feed asks twice for the same event.
    if (last !== null && last.raw === raw) return last.read;
    const schema = schemas.get(raw.type);
    const outcome = schema === undefined ? { value: null } : accepted(schema, raw.data, ["data"]);
    if ("issues" in outcome) {
      const issues = outcome.issues.map(({ pointer, detail }) => `${pointer}: ${detail}`).join("; ");
      throw new ProjectionError(
        `The event ${raw.position} of type ${raw.type} does not match \`events\` of the feed ${label}: ${issues}`,
        { position: raw.position, subject },
        outcome.issues,
      );
    }
    const { type, version, position, time, extensions } = raw;
    const read: SourceEvent = {
      type,
      subject: raw.subject,
      version,
      position,
      time,
      data: outcome.value,
      extensions,
    };
    last = { raw, read: strict ? deepFreeze(read) : read };
    return last.read;
  };
}

/** JSON text of a state; members that are `undefined` are left out, as JSON does. */
function stateText(state: unknown, label: string, subject: string, { position }: SourceEvent): string {
  let stored = state;
  let fault = faultOf(stored);
  if (fault !== null && fault.undefinedMember) {
    stored = withoutUndefinedMembers(stored);
    fault = faultOf(stored);
  }
  if (fault === null) return JSON.stringify(stored);
  const pointer = jsonPointer(fault.path);
  throw new ProjectionError(
    `${label} gave a state that JSON cannot carry: ${pointer === "" ? "it" : pointer} ${fault.detail}`,
    { position, subject },
    [{ pointer, detail: fault.detail }],
  );
}

function subjectOfWith(
  definition: AnyFeedDefinition,
  options: Options,
  read: ReturnType<typeof readWith>,
): Feed["subjectOf"] {
  const { subject: handler, events } = definition;
  if (handler === undefined) return (event) => event.subject;
  const label = `subject of the feed ${options.label}`;
  const call = handlerCall(label, handler as Handler, options.strict);
  return (event) => {
    // A handler that does not declare tombstones must not receive one.
    if (event.type === ERASED_TYPE && !Object.hasOwn(events, ERASED_TYPE)) return null;
    const given = call(event.subject, read(event.subject, event));
    if (given === null || given === event.subject) return given;
    const fault =
      typeof given === "string" ? nameFault(given, options.subjectBytes) : "must be a text or null";
    if (fault === null) return given as string;
    const shown = typeof given === "string" ? JSON.stringify(given) : `a ${typeof given}`;
    throw new ProjectionError(`What ${label} gave, ${shown}, ${fault}`, {
      position: event.position,
      subject: event.subject,
    });
  };
}

function projectWith(
  definition: AnyFeedDefinition,
  options: Options,
  read: ReturnType<typeof readWith>,
): Feed["project"] {
  const { state, erased } = definition;
  const { strict, label } = options;
  const publish = callsOf(definition.publish, "publish", options);
  const evolve = callsOf(
    Object.fromEntries(
      Object.entries(state?.evolve ?? {}).map(([type, handler]) => [
        type,
        // States come first where they are folded; all handlers are called with the event first.
        (event: SourceEvent, before: unknown) =>
          (handler as (state: unknown, event: SourceEvent) => unknown)(before, event),
      ]),
    ),
    "state.evolve",
    options,
  );
  const erasedLabel = `erased of the feed ${label}`;
  const onErased = typeof erased === "function" ? handlerCall(erasedLabel, erased as Handler, strict) : null;
  const published = publishedBy(definition.contract, options.schemas);
  const initial = deepFreeze(state?.initial);

  const stateOf = (text: string | null): unknown => {
    if (text === null) return initial;
    const value: unknown = JSON.parse(text);
    return strict ? deepFreeze(value) : value;
  };

  return (subject, event, before) => {
    if (event.type === ERASED_TYPE) {
      if (onErased === null) return ERASED;
      const given = onErased(subject, read(subject, event), stateOf(before));
      // The state is always discarded: it is made of erased events.
      return { state: null, events: published(erasedLabel, subject, event, given), erased: false };
    }
    const evolving = evolve.get(event.type);
    const publishing = publish.get(event.type);
    if (evolving === undefined && publishing === undefined)
      return { state: before, events: [], erased: false };

    const seen = read(subject, event);
    let value = stateOf(before);
    let after = before;
    if (evolving !== undefined) {
      value = evolving.call(subject, seen, value);
      after = stateText(value, evolving.name, subject, event);
      if (strict) deepFreeze(value);
    }
    if (publishing === undefined) return { state: after, events: [], erased: false };
    const given = publishing.call(subject, seen, value);
    return { state: after, events: published(publishing.name, subject, event, given), erased: false };
  };
}

/** The two functions of a feed that call its handlers. The definition has been checked. */
export function projectionOf(
  definition: AnyFeedDefinition,
  options: Options,
): Pick<Feed, "subjectOf" | "project"> {
  const read = readWith(definition, options);
  return {
    subjectOf: subjectOfWith(definition, options, read),
    project: projectWith(definition, options, read),
  };
}
