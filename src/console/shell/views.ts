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
  /** The grant without which the navigation leaves it out; absent: none. */
  readonly needs?: string;
  /** Loads its code, with the first visit. */
  readonly load: () => Promise<ComponentType<ViewProps>>;
}

/** Loads the views that are not shown first. They share much, so that one file is a quarter smaller than a file for each. */
const otherViews = async () => (await import("./other-views.ts")).OTHER_VIEWS;

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
    load: async () => (await otherViews()).StreamsView,
  },
  {
    name: "stream",
    title: "Stream",
    within: "streams",
    load: async () => (await otherViews()).StreamView,
  },
  {
    name: "causation",
    title: "Causes and effects",
    within: "streams",
    load: async () => (await otherViews()).CausationView,
  },
  {
    name: "feeds",
    title: "Feeds",
    load: async () => (await otherViews()).FeedsView,
  },
  {
    name: "subject",
    title: "Subject",
    load: async () => (await otherViews()).SubjectView,
  },
  {
    name: "consumers",
    title: "Consumers",
    load: async () => (await otherViews()).ConsumersView,
  },
  {
    name: "webhooks",
    title: "Webhooks",
    needs: "manage:/subscriptions",
    load: async () => (await otherViews()).WebhooksView,
  },
  {
    name: "keys",
    title: "Keys",
    needs: "admin",
    load: async () => (await otherViews()).KeysView,
  },
];
