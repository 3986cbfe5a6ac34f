import type { Clock } from "../core/clock.ts";
import type { Principal } from "./principal.ts";

/** Time between two looks whether credentials that are followed with are still valid. */
const LOOK_MS = 2_000;

/** The credential of a request that lasts, such as an event stream. */
export interface WatchedCredential {
  /** Aborts when the credential is revoked, has expired, or has other grants. */
  readonly ended: AbortSignal;
  /** Call it when the request is over. */
  release(): void;
}

/** Watches the credentials of requests that last. While there are none, nothing runs. */
export interface CredentialWatch {
  watch(principal: Principal): WatchedCredential;
  /** Ends the requests whose credentials are not valid any more. */
  endInvalid(): void;
  close(): void;
}

export interface CredentialWatchDeps {
  readonly clock: Pick<Clock, "sleep">;
  readonly isValid: (principal: Principal) => boolean;
  /** Brings the knowledge of keys up to date; may fail. */
  readonly refresh: () => Promise<void>;
}

interface Watched {
  readonly principal: Principal;
  readonly ended: AbortController;
}

export function createCredentialWatch({ clock, isValid, refresh }: CredentialWatchDeps): CredentialWatch {
  const watched = new Set<Watched>();
  /** Ends the looks; null while none are due. */
  let looking: AbortController | null = null;

  const endInvalid = () => {
    for (const one of watched) {
      if (isValid(one.principal)) continue;
      watched.delete(one);
      one.ended.abort();
    }
    if (watched.size === 0) rest();
  };

  const rest = () => {
    looking?.abort();
    looking = null;
  };

  const look = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      await clock.sleep(LOOK_MS, signal);
      if (signal.aborted) return;
      // Expiry needs no database, and does not wait for one that does not answer.
      endInvalid();
      // A database that cannot be read now is read at the next look.
      if (!signal.aborted) void refresh().then(endInvalid, () => {});
    }
  };

  return {
    watch(principal) {
      const one: Watched = { principal, ended: new AbortController() };
      if (isValid(principal)) {
        watched.add(one);
        if (looking === null) {
          looking = new AbortController();
          void look(looking.signal);
        }
      } else {
        one.ended.abort();
      }
      return {
        ended: one.ended.signal,
        release() {
          watched.delete(one);
          if (watched.size === 0) rest();
        },
      };
    },
    endInvalid,
    close() {
      watched.clear();
      rest();
    },
  };
}
