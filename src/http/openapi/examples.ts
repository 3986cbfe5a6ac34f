/*
 * Bodies that /docs prefills. Each is accepted by a server that has the events of the one before, in this order; optional
 * parameters have no example unless it is valid for every server.
 */

const registered = { type: "UserRegistered", data: { name: "Ida" } };

export const appendExample = { events: [registered] };

export const cloudEventExample = {
  specversion: "1.0",
  id: "1",
  source: "/users",
  type: registered.type,
  subject: "user-1",
  data: registered.data,
};

export const transactionExample = {
  appends: [
    { stream: "user-1", events: [{ type: "InvitationSent", data: { to: "user-2" } }] },
    { stream: "user-2", events: [{ type: "InvitationReceived", data: { from: "user-1" } }] },
  ],
};

export const commitExample = { position: 1 };

export const subscriptionExamples = {
  create: { source: "/events", url: "https://example.org/hook" },
  change: { concurrency: 16 },
  pause: { reason: "maintenance" },
  rewind: { dryRun: true },
  rotate: { overlapSeconds: 3_600 },
  skip: {},
} as const;
