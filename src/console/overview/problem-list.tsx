import type { StoreProblem } from "../../client/store-types.ts";
import { formatCounted } from "../format/counts.ts";
import { Command } from "../shell/command.tsx";
import { Time } from "../shell/time.tsx";

const TITLES: Readonly<Record<StoreProblem["kind"], string>> = {
  "feed-halted": "A feed is halted",
  "feed-superseded": "A feed has to be projected by another release",
  "subscription-failing": "A webhook fails",
  "subscription-paused": "A webhook is paused",
  "subscription-unknown": "A webhook does not exist",
  "consumer-blocked": "A consumer has blocked subjects",
  "feed-late": "A feed is late",
  "subscription-late": "A webhook is late",
  "consumer-late": "A consumer is late",
  "feed-silent": "A feed is silent",
  "subscription-silent": "A webhook is silent",
  "consumer-silent": "A consumer is silent",
};

export interface ProblemListProps {
  readonly problems: readonly StoreProblem[];
  /** Number of all problems, of which the list has the most urgent ones. */
  readonly count: number;
}

/** The things that a person should look at, each with its next step. */
export function ProblemList({ problems, count }: ProblemListProps) {
  if (count === 0) return <p class="good">Nothing is halted, blocked, late or failing.</p>;
  return (
    <section aria-labelledby="problems">
      <h2 id="problems">{formatCounted(count, "problem")}</h2>
      <ul class="problems">
        {problems.map(({ kind, resource, detail, since, next }) => (
          <li key={`${kind} ${resource}`} class={kind}>
            <h3>{TITLES[kind]}</h3>
            <p>
              {detail} {since !== null && <Time time={since} />}
            </p>
            <p class="actions">
              <a href={next.view}>
                Look at <bdi>{resource}</bdi>
              </a>
            </p>
            <Command command={next.command} />
          </li>
        ))}
      </ul>
      {problems.length < count && <p class="muted">These are the {problems.length} most urgent ones.</p>}
    </section>
  );
}
