import type { Operation } from "../operation.ts";
import { KNOWS_FEED, MANAGES_FEED, READS_FEED, READS_SUBJECT, READS_SUBJECTS } from "./feed-access.ts";
import type { OpenApiParts } from "../openapi/parts.ts";
import {
  deleteFeed,
  getFeed,
  getFeeds,
  getFeedSchemas,
  getFeedStatus,
  getFeedSubject,
  getFeedSubjects,
  rebuildDraft,
  resumeFeed,
} from "./feeds.ts";

/** A version of a feed. */
export const FEED_PATH = "/feeds/{feed}/v{version}";

const tag = "Feeds";

function feedAnswer(status: 200 | 202, description: string) {
  return ({ params, answers, json, problem }: OpenApiParts) => ({
    request: { params: params.feed },
    responses: { [status]: json(answers.feed, description), default: problem },
  });
}

export const feedOperations: readonly Operation[] = [
  {
    id: "listFeeds",
    method: "get",
    path: "/feeds",
    tag,
    link: "feeds",
    summary: "List the feeds",
    compresses: true,
    access: "known",
    handle: getFeeds,
    describe: ({ z, answers, json, problem }) => ({
      responses: { 200: json(z.object({ feeds: z.array(answers.feed) }), "Feeds"), default: problem },
    }),
  },
  {
    id: "readFeed",
    method: "get",
    path: FEED_PATH,
    tag,
    summary: "Read or follow a version of a feed",
    description:
      "An HTTP Feed. Answers of a deprecated version have the headers Deprecation, Sunset and Link (rel=successor-version).",
    access: READS_FEED,
    handle: getFeed,
    describe: ({ params, schemas, readHeaders, pages }) => ({
      request: { params: params.feed, query: schemas.logQuery, headers: readHeaders },
      responses: pages,
    }),
  },
  {
    id: "listSubjects",
    method: "get",
    path: `${FEED_PATH}/subjects`,
    tag,
    summary: "List the subjects of a feed",
    description: "By name; with `changedSince` by the position of their last event.",
    compresses: true,
    access: READS_SUBJECTS,
    handle: getFeedSubjects,
    describe: ({ params, schemas, answers, listHeaders, listed }) => ({
      request: { params: params.feed, query: schemas.streamsQuery, headers: listHeaders },
      responses: listed("subjects", answers.subjectInfo, "Subjects"),
    }),
  },
  {
    id: "readSubject",
    method: "get",
    path: `${FEED_PATH}/subjects/{subject}`,
    tag,
    summary: "Read or follow one subject of a feed",
    description:
      "Complete as of the request, even while Kilde builds the feed: it first projects the events that are missing.",
    access: READS_SUBJECT,
    handle: getFeedSubject,
    describe: ({ params, schemas, readHeaders, pages }) => ({
      request: {
        params: params.feed.extend({ subject: schemas.streamName }),
        query: schemas.streamQuery,
        headers: readHeaders,
      },
      responses: pages,
    }),
  },
  {
    id: "feedStatus",
    method: "get",
    path: `${FEED_PATH}/status`,
    tag,
    summary: "Read the state of a version of a feed",
    access: KNOWS_FEED,
    handle: getFeedStatus,
    describe: feedAnswer(200, "The feed"),
  },
  {
    id: "feedSchemas",
    method: "get",
    path: `${FEED_PATH}/schemas`,
    tag,
    summary: "Read the contract of a version of a feed",
    compresses: true,
    access: KNOWS_FEED,
    handle: getFeedSchemas,
    describe: ({ params, answers, json, problem }) => ({
      request: { params: params.feed },
      responses: { 200: json(answers.feedSchemas, "Schemas"), default: problem },
    }),
  },
  {
    id: "retireFeed",
    method: "delete",
    path: FEED_PATH,
    tag,
    summary: "Retire a version of a feed",
    description:
      "The feed is gone at once, and Kilde deletes its events in the background. Refused while another feed is projected from it, a subscription that is not paused delivers it, or a consumer has read it within its window.",
    isRecorded: true,
    access: MANAGES_FEED,
    handle: deleteFeed,
    describe: ({ params, schemas, answers, json, problem }) => ({
      request: { params: params.feed, query: schemas.retireQuery },
      responses: { 202: json(answers.feed, "Kilde deletes the feed"), default: problem },
    }),
  },
  {
    id: "rebuildFeed",
    method: "post",
    path: `${FEED_PATH}/rebuild`,
    tag,
    summary: "Build a draft again",
    isRecorded: true,
    access: MANAGES_FEED,
    handle: rebuildDraft,
    describe: feedAnswer(202, "Kilde empties the feed, and builds it again"),
  },
  {
    id: "resumeFeed",
    method: "post",
    path: `${FEED_PATH}/resume`,
    tag,
    summary: "Resume a halted feed",
    isRecorded: true,
    access: MANAGES_FEED,
    handle: resumeFeed,
    describe: feedAnswer(200, "The feed"),
  },
];
