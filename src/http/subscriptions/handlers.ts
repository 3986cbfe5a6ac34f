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

/** The handlers of the operations on subscriptions, in one module that loads at the first request. */
export const subscriptionHandlers = {
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
