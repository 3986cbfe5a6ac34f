import {
  getAttempts,
  getBlocked,
  getSkips,
  retryBlockedSubject,
  rewindSubscription,
  skipBlockedEvent,
} from "./redeliveries.ts";
import {
  deleteSubscription,
  getSubscription,
  getSubscriptions,
  patchSubscription,
  pauseSubscription,
  postSubscription,
  resumeSubscription,
  rotateSecret,
  testSubscription,
} from "./subscriptions.ts";

export { openSubscriptionDeps } from "./deps.ts";

/** What is asked of subscriptions, by name, to be loaded together. */
export const subscriptionRoutes = {
  getSubscriptions,
  postSubscription,
  getSubscription,
  patchSubscription,
  deleteSubscription,
  pauseSubscription,
  resumeSubscription,
  testSubscription,
  rotateSecret,
  rewindSubscription,
  getAttempts,
  getBlocked,
  retryBlockedSubject,
  skipBlockedEvent,
  getSkips,
};
