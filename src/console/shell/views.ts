import type { ComponentType } from "preact";

/** State of a view, from its address. */
export interface ViewProps {
  /** Segments of the path after the name of the view, decoded. */
  readonly rest: readonly string[];
  readonly query: URLSearchParams;
}

/** A view of the console. */
export interface View {
  /** Its name in addresses, without a dot. */
  readonly name: string;
  readonly title: string;
  /** Name of the entry of the navigation that it belongs to; absent: it has its own entry. */
  readonly within?: string;
  /** Loads its code, with the first visit. */
  readonly load: () => Promise<ComponentType<ViewProps>>;
}

/** All views, in the order of the navigation. */
export const VIEWS: readonly View[] = [
  {
    name: "overview",
    title: "Overview",
    load: async () => (await import("../overview/overview-view.tsx")).OverviewView,
  },
  {
    name: "streams",
    title: "Streams",
    load: async () => (await import("../streams/streams-view.tsx")).StreamsView,
  },
  {
    name: "stream",
    title: "Stream",
    within: "streams",
    load: async () => (await import("../streams/stream-view.tsx")).StreamView,
  },
  {
    name: "causation",
    title: "Causes and effects",
    within: "streams",
    load: async () => (await import("../causation/causation-view.tsx")).CausationView,
  },
  {
    name: "feeds",
    title: "Feeds",
    load: async () => (await import("../feeds/feeds-view.tsx")).FeedsView,
  },
  {
    name: "subject",
    title: "Subject",
    load: async () => (await import("../subject/subject-view.tsx")).SubjectView,
  },
  {
    name: "consumers",
    title: "Consumers",
    load: async () => (await import("../consumers/consumers-view.tsx")).ConsumersView,
  },
  {
    name: "webhooks",
    title: "Webhooks",
    load: async () => (await import("../webhooks/webhooks-view.tsx")).WebhooksView,
  },
];
