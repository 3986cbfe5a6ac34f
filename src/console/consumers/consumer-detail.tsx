import type { ConsumerInfo } from "../../client/types.ts";
import { useResource } from "../data/use-resource.ts";
import { formatCount, formatCounted } from "../format/counts.ts";
import { CONSUMERS_TOPIC } from "../live/topics.ts";
import { Command } from "../shell/command.tsx";
import { ConfirmDialog } from "../shell/confirm-dialog.tsx";
import { useConsole } from "../shell/console-context.ts";
import { DialogButton } from "../shell/dialog-button.tsx";
import { Facts } from "../shell/facts.tsx";
import { LoadState } from "../shell/load-state.tsx";
import { Time } from "../shell/time.tsx";
import type { ConsumedLog } from "./consumed-log.ts";
import { ConsumerState } from "./consumer-state.tsx";
import { LagCharts } from "./lag-charts.tsx";
import { lagText } from "./lag-text.ts";

export interface ConsumerDetailProps {
  readonly log: ConsumedLog;
  readonly name: string;
}

/** The next step for each state that needs one. */
const NEXT_STEPS: Readonly<Record<ConsumerInfo["state"], string | null>> = {
  "keeps-up": null,
  late: "It lacks an event that is older than a minute, or than its objective allows. If its lag grows, it processes events more slowly than they are recorded.",
  silent:
    "It has sent no request for five minutes, or for longer than its objective allows. Start it again; forget it if it will not return, so that it keeps no version of a feed in use.",
  blocked:
    "It could not process some events, and continues with other subjects. It tries them again after you have removed the cause.",
};

function BlockedSubjects({ info }: { readonly info: ConsumerInfo }) {
  const { router } = useConsole();
  const { blocked, failure } = info;
  if (blocked === 0) return <p>None.</p>;
  return (
    <>
      <p>It reports {formatCounted(blocked, "blocked subject")}.</p>
      {failure !== null && (
        <section class="problem" aria-label="Last failure">
          <h3>
            <a href={router.href("subject", { name: failure.subject })}>
              <bdi>{failure.subject}</bdi>
            </a>
            {failure.version !== null && `, version ${formatCount(failure.version)}`}
            {failure.type !== null && (
              <>
                , <bdi>{failure.type}</bdi>
              </>
            )}
          </h3>
          <pre tabIndex={0} aria-label="Message of the failure">
            {failure.message}
          </pre>
          <p class="muted">
            {formatCounted(failure.attempts, "attempt")}, the first <Time time={failure.since} />
          </p>
        </section>
      )}
    </>
  );
}

function ForgetConsumer({ log, name }: ConsumerDetailProps) {
  const { client, router } = useConsole();
  return (
    <DialogButton
      label="Forget"
      dialog={(close) => (
        <ConfirmDialog
          title={`Forget ${name}`}
          name={name}
          action="Forget"
          onConfirm={async (reason) => {
            await client.forgetConsumer(name, log.feed, { reason });
            router.go(router.href("consumers", { log: log.path }));
          }}
          onClose={close}
        >
          <p>
            Kilde deletes its positions and the history of its lag. If it reads again, it appears as a new
            consumer, and begins where it asks to.
          </p>
        </ConfirmDialog>
      )}
    />
  );
}

/** One consumer: its state and next step, its lag over a day, and its blocked subjects. */
export function ConsumerDetail({ log, name }: ConsumerDetailProps) {
  const { client, session, router, commands } = useConsole();
  const mayManage = session.may(`manage:${log.path}`).value;
  const { value, error, reload } = useResource(
    `${log.path}\n${name}`,
    async (signal): Promise<ConsumerInfo | null> => {
      // A name sorts before all others that begin with it.
      const found = await client.consumers(log.feed, { prefix: name, pageSize: 1, signal }).next();
      return found.done !== true && found.value.consumer === name ? found.value : null;
    },
    [CONSUMERS_TOPIC, log.path],
  );
  const nextStep = value === undefined || value === null ? null : NEXT_STEPS[value.state];
  return (
    <>
      <p>
        <a href={router.href("consumers", { log: log.path })}>Consumers of {log.title}</a>
      </p>
      <h1>
        <bdi>{name}</bdi> {value !== undefined && value !== null && <ConsumerState state={value.state} />}
      </h1>
      <LoadState value={value} error={error} reload={reload} />
      {value === null && (
        <section class="empty">
          <p>
            {log.title} has no consumer of this name. It appears with its first request; this lists the known
            ones:
          </p>
          <Command command={commands.consumers(log.feed)} />
        </section>
      )}
      {value !== undefined && value !== null && (
        <>
          {nextStep !== null && <p class="warning">{nextStep}</p>}
          <Facts
            facts={[
              ["Committed", value.committed === null ? "Never" : formatCount(value.committed)],
              ["Sent", value.sent === null ? "Never" : formatCount(value.sent)],
              ["Lag", lagText(value.lag)],
              ["Last request", <Time key="seen" time={value.seen} />],
              ["First request", <Time key="since" time={value.since} />],
              ["Keeps the version in use", log.feed === undefined ? undefined : value.active ? "Yes" : "No"],
            ]}
          />
          <h2>Lag in the last 24 hours</h2>
          <LagCharts log={log} info={value} />
          <h2>Blocked subjects</h2>
          <BlockedSubjects info={value} />
          {mayManage && <ForgetConsumer log={log} name={name} />}
        </>
      )}
    </>
  );
}
