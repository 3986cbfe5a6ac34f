import { StreamsView } from "../streams/streams-view.tsx";
import { StreamView } from "../streams/stream-view.tsx";
import { CausationView } from "../causation/causation-view.tsx";
import { FeedsView } from "../feeds/feeds-view.tsx";
import { SubjectView } from "../subject/subject-view.tsx";
import { ConsumersView } from "../consumers/consumers-view.tsx";
import { KeysView } from "../keys/keys-view.tsx";
import { WebhooksView } from "../webhooks/webhooks-view.tsx";

/** The views that load together, with the first visit to one of them. */
export const OTHER_VIEWS = {
  StreamsView,
  StreamView,
  CausationView,
  FeedsView,
  SubjectView,
  ConsumersView,
  WebhooksView,
  KeysView,
};
