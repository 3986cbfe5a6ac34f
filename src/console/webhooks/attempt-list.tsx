import { useSignal } from "@preact/signals";

import type { DeliveryAttempt, Subscription } from "../../client/subscription-types.ts";
import { useResource } from "../data/use-resource.ts";
import { formatCount } from "../format/counts.ts";
import { SUBSCRIPTIONS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { Problem } from "../shell/problem.tsx";
import { SelectField } from "../shell/select-field.tsx";
import { Time } from "../shell/time.tsx";
import { useAction } from "../shell/use-action.ts";
import { requestText } from "./request-text.ts";

const PAGE_SIZE = 20;
const REST_MS = 2_000;

/** Attempts that a subscription keeps after the button is pressed. */
const KEPT = 100;

/** The part of the attempts that is shown. */
export interface AttemptFilter {
  readonly outcome: DeliveryAttempt["outcome"] | undefined;
  /** Id of the attempt after the first shown one; undefined: from the latest. */
  readonly before: number | undefined;
}

export interface AttemptListProps extends AttemptFilter {
  readonly subscription: Subscription;
  readonly onChange: () => void;
}

function AttemptContents({ attempt }: { readonly attempt: DeliveryAttempt }) {
  const { request, answer, positions } = attempt;
  return (
    <>
      {positions.length > 0 && <p>Positions: {positions.map(formatCount).join("; ")}</p>}
      <h3>Request</h3>
      {request === null ? (
        <p class="muted">It was not kept.</p>
      ) : (
        <pre tabIndex={0} aria-label="Request">
          {requestText(request)}
        </pre>
      )}
      <h3>Start of the answer</h3>
      {answer === null || answer === "" ? (
        <p class="muted">{answer === null ? "There is none." : "It was empty."}</p>
      ) : (
        <pre tabIndex={0} aria-label="Start of the answer">
          {answer}
        </pre>
      )}
    </>
  );
}

function AttemptItem({ attempt }: { readonly attempt: DeliveryAttempt }) {
  const isOpen = useSignal(false);
  const { time, outcome, status, error, subject, durationMs } = attempt;
  return (
    <li>
      <details
        onToggle={({ currentTarget }) => {
          isOpen.value = currentTarget.open;
        }}
      >
        <summary>
          <span class={`state ${outcome}`}>{outcome}</span> <Time time={time} />
          {subject !== null && (
            <>
              , <bdi>{subject}</bdi>
            </>
          )}
          <span class="muted">
            {error === null ? status !== null && `, status ${status}` : `, ${error}`},{" "}
            {formatCount(durationMs)} ms
          </span>
        </summary>
        {isOpen.value && <AttemptContents attempt={attempt} />}
      </details>
    </li>
  );
}

function KeepButton({
  subscription: { subscription: id },
  onChange,
}: Omit<AttemptListProps, keyof AttemptFilter>) {
  const { client } = useConsole();
  const { run, isBusy, error } = useAction();
  const keep = async (): Promise<void> => {
    await client.subscriptions.change(id, { keepAttempts: KEPT });
    onChange();
  };
  return (
    <>
      <p class="actions">
        <span class="muted">Kilde keeps no requests and answers of this subscription.</span>
        <button type="button" disabled={isBusy} onClick={() => run(keep)}>
          Keep the latest {KEPT}
        </button>
      </p>
      {error !== null && <Problem error={error} />}
    </>
  );
}

/** The latest attempts to deliver, each with its request and the start of the answer if the subscription keeps them. */
export function AttemptList({ subscription, outcome, before, onChange }: AttemptListProps) {
  const { client, router } = useConsole();
  const { subscription: id, keepAttempts } = subscription;
  const { value, error, reload } = useResource(
    [id, outcome, before, keepAttempts].join("\n"),
    (signal) => client.subscriptions.attempts(id, { outcome, before, limit: PAGE_SIZE, signal }),
    before === undefined ? [SUBSCRIPTIONS_TOPIC] : [],
    { restMs: REST_MS },
  );
  const href = (chosen: string | undefined, end?: number) =>
    router.href(`webhooks/${id}`, { outcome: chosen, before: end });
  return (
    <section aria-labelledby="attempts">
      <h2 id="attempts">Attempts</h2>
      {keepAttempts === 0 && <KeepButton subscription={subscription} onChange={onChange} />}
      <div class="controls">
        <SelectField
          label="Outcome"
          value={outcome ?? ""}
          choices={[
            ["", "All outcomes"],
            ["failed", "Failed"],
            ["delivered", "Delivered"],
          ]}
          onChange={(chosen) => router.go(href(chosen))}
        />
      </div>
      {error !== null && <Problem error={error} onRetry={reload} />}
      {value?.attempts.length === 0 && <p class="muted">There is no attempt like this.</p>}
      <ul class="attempts">
        {value?.attempts.map((attempt) => (
          <AttemptItem key={attempt.id ?? `${attempt.time} ${attempt.webhookId}`} attempt={attempt} />
        ))}
      </ul>
      <p class="actions">
        {before !== undefined && <a href={href(outcome)}>Latest attempts</a>}
        {value?.next != null && <a href={href(outcome, value.next)}>Earlier attempts</a>}
      </p>
    </section>
  );
}
