import type { Command } from "commander";

import type { CliContext } from "./context.ts";

/** A verb of the command line. Its module is loaded only if it is called. */
export interface Verb {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<(context: CliContext) => Command>;
}

interface VerbGroup {
  readonly heading: string;
  readonly verbs: readonly Verb[];
}

export const VERB_GROUPS: readonly VerbGroup[] = [
  {
    heading: "Server:",
    verbs: [
      {
        name: "serve",
        summary: "start the server",
        load: async () => (await import("./serve.ts")).serveCommand,
      },
      {
        name: "init",
        summary: "write a new service with a feed, a consumer and a test",
        load: async () => (await import("./init.ts")).initCommand,
      },
    ],
  },
  {
    heading: "Events (through a server):",
    verbs: [
      {
        name: "append",
        summary: "append an event to a stream",
        load: async () => (await import("./append.ts")).appendCommand,
      },
      {
        name: "read",
        summary: "print the events of a stream or of the whole log",
        load: async () => (await import("./read.ts")).readCommand,
      },
      {
        name: "follow",
        summary: "print events as they are appended",
        load: async () => (await import("./follow.ts")).followCommand,
      },
      {
        name: "streams",
        summary: "list streams",
        load: async () => (await import("./streams.ts")).streamsCommand,
      },
      {
        name: "truncate",
        summary: "remove a stream's oldest events",
        load: async () => (await import("./truncate.ts")).truncateCommand,
      },
      {
        name: "erase",
        summary: "remove a stream's events and leave a tombstone",
        load: async () => (await import("./erase.ts")).eraseCommand,
      },
    ],
  },
  {
    heading: "Files of events (through a server):",
    verbs: [
      {
        name: "import",
        summary: "append the events of an NDJSON file",
        load: async () => (await import("./import.ts")).importCommand,
      },
      {
        name: "export",
        summary: "write the log to an NDJSON file",
        load: async () => (await import("./export.ts")).exportCommand,
      },
    ],
  },
  {
    heading: "Feeds:",
    verbs: [
      {
        name: "feeds",
        summary: "list feeds, test them, compare and retire versions",
        load: async () => (await import("./feeds.ts")).feedsCommand,
      },
      {
        name: "consumers",
        summary: "list the consumers of the event log or a feed, and their lag",
        load: async () => (await import("./consumers.ts")).consumersCommand,
      },
    ],
  },
  {
    heading: "Administration (through a server):",
    verbs: [
      {
        name: "overview",
        summary: "show the state of a store, and its problems",
        load: async () => (await import("./overview.ts")).overviewCommand,
      },
      {
        name: "operations",
        summary: "print the log of administration: who changed what, and alarms",
        load: async () => (await import("./operations.ts")).operationsCommand,
      },
    ],
  },
  {
    heading: "Webhooks:",
    verbs: [
      {
        name: "webhooks",
        summary: "deliver logs to endpoints: create, change, rewind, retry …",
        load: async () => (await import("./webhooks.ts")).webhooksCommand,
      },
      {
        name: "listen",
        summary: "forward events to a webhook receiver under development",
        load: async () => (await import("./listen.ts")).listenCommand,
      },
    ],
  },
  {
    heading: "Access:",
    verbs: [
      {
        name: "keys",
        summary: "create, list, rotate, revoke and check API keys",
        load: async () => (await import("./keys.ts")).keysCommand,
      },
    ],
  },
  {
    heading: "Database:",
    verbs: [
      {
        name: "migrate",
        summary: "update a database's schema",
        load: async () => (await import("./migrate.ts")).migrateCommand,
      },
      {
        name: "backup",
        summary: "copy a database file, also while a server uses it",
        load: async () => (await import("./backup.ts")).backupCommand,
      },
      {
        name: "restore",
        summary: "replace a database by a backup",
        load: async () => (await import("./restore.ts")).restoreCommand,
      },
      {
        name: "identity",
        summary: "show the identities of logs, or renew them after a restore by other tools",
        load: async () => (await import("./identity.ts")).identityCommand,
      },
      {
        name: "doctor",
        summary: "check the invariants of a database",
        load: async () => (await import("./doctor.ts")).doctorCommand,
      },
    ],
  },
];

export const VERBS: readonly Verb[] = VERB_GROUPS.flatMap(({ verbs }) => verbs);
