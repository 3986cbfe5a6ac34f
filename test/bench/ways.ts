/** Rows that targets refer to: how a contender did a work. */

export const CLIENT = "kilde/client, parsed";
export const OPEN_STORE = "open store";

export const PREPARED = "libsql, prepared";
export const SAME_GROUPS = "libsql, prepared, groups as Kilde commits them";

export const NO_FEED = "no feed";
export const ONE_FEED = "1 live feed";
export const ONE_STATEFUL_FEED = "1 live feed with state";
export const FOUR_FEEDS = "4 live feeds";
export const NO_SUBSCRIPTION = "no subscription";
export const ONE_SUBSCRIPTION = "1 subscription";

export const STATELESS = "stateless feed";
export const STATEFUL = "feed with state";
export const FOUR_AT_ONCE = "four stateless feeds at once";

export const inNode = (major: number) => `Node ${major}`;

/** Versions of Node that the client is measured in. */
export const NODE_MAJORS = [20, 22] as const;
export const NODES: readonly string[] = NODE_MAJORS.map(inNode);

export const MORE_MEMORY = "more than at start";
