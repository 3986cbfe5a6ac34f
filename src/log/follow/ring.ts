import { ERASED_IN_PART_TYPE, ERASED_TYPE } from "../../core/event.ts";

/** A recent event, ready to be sent. */
export interface Entry {
  readonly position: number;
  readonly subject: string;
  readonly type: string;
  /** As a server-sent event. */
  readonly text: string;
  /** Of the text. */
  readonly bytes: number;
}

/** Entries that are kept at hand. A follower that falls behind them reads pages again. */
const RING_ENTRIES = 4_096;
/** Bytes of text that are kept at hand. */
export const RING_BYTES = 8 * 1024 * 1024;

/** The recent events of a log: every event after `start` and up to `end`. */
export class Ring {
  #entries: Entry[] = [];
  #bytes = 0;
  #start = 0;
  #end = 0;
  #discards = 0;

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  /** How often entries were discarded because of removals: events read before must not enter the ring afterwards. */
  get discards(): number {
    return this.#discards;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Discards all entries; the next ones follow a position. */
  reset(position: number): void {
    this.#entries = [];
    this.#bytes = 0;
    this.#start = position;
    this.#end = position;
  }

  /** Discards all entries, because events of the log were removed. */
  discard(position: number): void {
    this.#discards += 1;
    this.reset(position);
  }

  /** Adds the events after the end and up to a position, and drops the oldest ones that no longer fit. */
  add(entries: readonly Entry[], end: number): void {
    for (const entry of entries) {
      if (entry.type === ERASED_TYPE) this.#removeSubject(entry.subject);
      // Events that were erased in place were read before the erasure.
      if (entry.type === ERASED_IN_PART_TYPE) this.reset(entry.position - 1);
      this.#entries.push(entry);
      this.#bytes += entry.bytes;
    }
    this.#end = end;
    this.#dropOldest();
  }

  /** The entries after a position, in order. */
  after(position: number): readonly Entry[] {
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle]?.position ?? 0) <= position) low = middle + 1;
      else high = middle;
    }
    return this.#entries.slice(low);
  }

  /** Erased events must not be sent from here. */
  #removeSubject(erased: string): void {
    this.#entries = this.#entries.filter(({ subject }) => subject !== erased);
    this.#bytes = this.#entries.reduce((total, { bytes }) => total + bytes, 0);
  }

  #dropOldest(): void {
    let drop = 0;
    while (this.#entries.length - drop > RING_ENTRIES || this.#bytes > RING_BYTES) {
      const oldest = this.#entries[drop];
      if (oldest === undefined) break;
      this.#bytes -= oldest.bytes;
      this.#start = oldest.position;
      drop += 1;
    }
    if (drop > 0) this.#entries = this.#entries.slice(drop);
  }
}
