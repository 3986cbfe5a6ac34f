import type { TroubledWork, WriterTrouble } from "../../storage/writer/writer-trouble.ts";
import type { EventLogger } from "../event-logger.ts";

interface Entry {
  readonly level: "info" | "warn";
  readonly message: string;
  readonly remedy: string;
}

const ENTRIES: Readonly<Record<TroubledWork, Entry>> = {
  checkpoint: {
    level: "warn",
    message: "copying the write-ahead log in the background failed; retrying, and appends copy it meanwhile",
    remedy:
      "Check the disk, and that the server may read and write the database's file and its folder. No event is lost.",
  },
  "release-memory": {
    level: "warn",
    message: "releasing the memory of a load failed; retrying",
    remedy: "If memory is short, restart the server when it is idle.",
  },
  "trim-heap": {
    level: "info",
    message: "the C library returns no freed memory on request, so the server may keep the memory of a load",
    remedy: "A system with glibc returns it.",
  },
};

/** Logs a failure beside writes, which refuses none. */
export function logWriterTrouble(logger: EventLogger, { work, error }: WriterTrouble): void {
  const { level, message, remedy } = ENTRIES[work];
  logger[level]({ error, remedy }, message);
}
