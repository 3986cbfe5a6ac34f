import type { Sandbox } from "./sandbox.ts";
import type { Sample } from "./sample.ts";

/** Works for so long, as fast as it can, and throws when an answer is wrong. */
export type Run = (durationMs: number) => Promise<Sample>;

export interface Task {
  /** How the contender does it, where there is more than one way or the name does not state it. */
  readonly way?: string;
  readonly run: Run;
  /** The process that makes the load, where it is not this one. */
  readonly clientPid?: number;
  /** Events in the store, which a run must raise by exactly the number of acknowledged events. */
  stored?(): Promise<number>;
  close?(): void | Promise<void>;
}

/** Followers that are connected. */
export interface Following {
  readonly way: string;
  /** Appends the nth event; its data begins with `{"number":n`. */
  append(n: number): Promise<void>;
  close(): void | Promise<void>;
}

/** Called when an event reached a follower. */
export type OnDelivery = (follower: number, n: number) => void;

/** A store that is running, and what it can be asked to do. A work it does not know is left out of the table. */
export interface Contender {
  readonly name: string;
  readonly version: string;
  /** The settings that differ from the defaults. */
  readonly settings: string;
  /** Process whose CPU time is the server's; null when the store runs in this process. */
  readonly pid: number | null;
  /** Further processes that are part of it. */
  readonly besides?: readonly number[];
  /** Appends of one event to a random stream. */
  singles?(inFlight: number): Promise<readonly Task[]>;
  /** The same through one client of its own, where `singles` does not use it. */
  clientSingles?(inFlight: number): Promise<readonly Task[]>;
  /** Appends of {@link BATCH} events to a random stream. */
  batches?(inFlight: number): Promise<readonly Task[]>;
  /** Writes the history that is read by the next two. */
  fill?(): Promise<void>;
  /** The whole history from its start, page by page, again and again. */
  pages?(): Promise<readonly Task[]>;
  /** All events of a random stream of the history. */
  streams?(inFlight: number): Promise<readonly Task[]>;
  /** Starts this number of followers of later events, each on a connection of its own. */
  follow?(count: number, onDelivery: OnDelivery): Promise<Following>;
  close(): Promise<void>;
}

/** This machine lacks a contender; the message names the missing program. */
export class NotInstalled extends Error {}

/** Starts a contender on an empty store. Throws {@link NotInstalled} when this machine does not have it. */
export type Start = (sandbox: Sandbox) => Promise<Contender>;

export function executable(name: string): string {
  const path = Bun.which(name);
  if (path === null) throw new NotInstalled(`${name} is not installed`);
  return path;
}

/** The first line that a program prints about itself. */
export function versionOf(command: readonly string[]): string {
  const { stdout } = Bun.spawnSync([...command]);
  return stdout.toString().split("\n")[0]?.trim() ?? "";
}
