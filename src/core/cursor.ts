/** A reader's place in a log: after a position, within the history that an identity names. */
export interface Cursor {
  readonly position: number;
  /** Null for a bare position, which does not show a restore of the log. */
  readonly identity: string | null;
}

const IDENTITY = /^[0-9a-f]{16}$/;
const CURSOR = /^(\d{1,16})(?:-([0-9a-f]{16}))?$/;

/** Whether a text has the form of a log's identity: 16 lowercase hexadecimal digits. */
export function isIdentity(text: string): boolean {
  return IDENTITY.test(text);
}

/** Parses a cursor: `<position>-<identity>`, or `<position>`. Null for any other text. */
export function parseCursor(text: string): Cursor | null {
  const [, digits, identity = null] = CURSOR.exec(text) ?? [];
  const position = Number(digits);
  return digits === undefined || !Number.isSafeInteger(position) ? null : { position, identity };
}

/** Formats a cursor. */
export function cursorText(position: number, identity: string): string {
  return `${position}-${identity}`;
}

/** The `lastEventId` for a cursor: its text, or the bare position when no identity is known. */
export function eventIdOf({ position, identity }: Cursor): string {
  return identity === null ? String(position) : cursorText(position, identity);
}
