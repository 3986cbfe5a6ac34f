import type { Outgoing } from "../../../src/webhooks/egress/outgoing.ts";
import { parseSecret } from "../../../src/webhooks/signing/secret.ts";
import { createSigner } from "../../../src/webhooks/signing/sign.ts";
import type { Model } from "./model.ts";
import { DOORBELL, eventsOf, type SentEvent, type World } from "./world.ts";

/** By then every dispatcher knows of a rotation, and signs accordingly. */
const ROTATION_KNOWN_MS = 20_000;

/**
 * A dispatcher's clock is ahead of the database's by as much as taking its lease took, so an overlap may end for it that
 * much earlier.
 */
const DISPATCHER_AHEAD_MS = 1_000;

/** Checks every request, and adds violations to the world's faults. */
export interface Checks {
  request(request: Outgoing): void;
  /** A dispatcher starts: it continues each subject from the stored state. */
  dispatcherBegan(): void;
  /** A request about these subjects is in flight until the returned function is called. */
  underWay(subjects: ReadonlySet<string>): () => void;
}

export function createChecks({ options, time, faults }: World, model: Model): Checks {
  const bodies = new Map<string, string>();
  const inFlight = new Map<string, number>();
  /** Subjects without a request since a dispatcher started. */
  const begunAgain = new Set<string>();
  /** Whether only one process can dispatch, so that a subject must never have two requests. */
  const isAlone = options.nodes === 1 && !options.crashes && !options.clockSteps;

  const checkSignatures = ({ headers, body }: Outgoing) => {
    // A node that was frozen, or whose clock is off, learns of a rotation later.
    if (!options.patches || options.crashes || options.clockSteps) return;
    const [id = "", timestamp] = [headers["webhook-id"], Number(headers["webhook-timestamp"])];
    const signatures = headers["webhook-signature"]?.split(" ") ?? [];
    const now = time.now();
    for (const { text, sinceMs, endsMs } of model.secrets) {
      const signature = createSigner([parseSecret(text)])({ id, timestamp, body: body ?? "" });
      const isSigned = signatures.includes(signature);
      if (isSigned && now > endsMs + ROTATION_KNOWN_MS)
        faults.push(`${id} is signed with a secret whose overlap ended ${now - endsMs} ms ago`);
      if (!isSigned && now > sinceMs + ROTATION_KNOWN_MS && now < endsMs - DISPATCHER_AHEAD_MS)
        faults.push(`${id} is not signed with a secret that is valid`);
    }
  };

  const checkBytes = ({ headers, body }: Outgoing) => {
    const id = headers["webhook-id"] ?? "";
    const known = bodies.get(id);
    if (known !== undefined && known !== body) faults.push(`${id} was sent with other bytes`);
    bodies.set(id, body ?? "");
  };

  /** `isNext`: the request has the event before it, too. */
  const checkOrder = ({ subject, sequence, previoussequence }: SentEvent, isNext: boolean) => {
    const [version, before] = [Number(sequence), Number(previoussequence)];
    if (!model.isBefore(subject, version, before))
      faults.push(`${subject} ${version} names ${before} as the one before it`);
    // After a change of types the one before may not have been selected when the cursor passed it.
    const isOwed = before > 0 && model.isSelected(subject, before);
    if (isOwed && !isNext && !model.isDone(subject, before))
      faults.push(`${subject} ${version} was sent before ${before} was acknowledged`);
    // No event is left out: a subject continues with the next event, or with an earlier one. A dispatcher that starts
    // again continues from the stored state, also where that is ahead of a rewind by the previous one.
    const at = model.last.get(subject) ?? 0;
    // While the database's clock is corrected, two nodes may deliver for a moment, each in order.
    const isFresh = begunAgain.delete(subject) || (options.clockSteps && options.nodes > 1);
    // After a rewind of a range a subject continues where it was; the end checks that all of the range was delivered.
    const mayJump = isFresh || isNext || options.patches || options.changes;
    if (!mayJump && version > at && before > at && !model.isSkipped(subject, before))
      faults.push(`${subject} continued from ${at} to ${version}`);
  };

  return {
    request(request) {
      checkSignatures(request);
      checkBytes(request);
      const inRequest = new Map<string, number>();
      for (const event of eventsOf(request)) {
        const { subject, type } = event;
        if (type === DOORBELL) continue;
        if (options.filtered && !options.patches && type !== "A")
          faults.push(`${subject} ${Number(event.sequence)} is not selected`);
        checkOrder(event, inRequest.get(subject) === Number(event.previoussequence));
        inRequest.set(subject, Number(event.sequence));
      }
    },
    dispatcherBegan() {
      for (const subject of model.subjects()) begunAgain.add(subject);
    },
    underWay(subjects) {
      for (const subject of subjects) {
        const others = inFlight.get(subject) ?? 0;
        if (others > 0 && isAlone) faults.push(`${subject} has two requests at a time`);
        inFlight.set(subject, others + 1);
      }
      return () => {
        for (const subject of subjects) inFlight.set(subject, (inFlight.get(subject) ?? 1) - 1);
      };
    },
  };
}
