/** Where a reader of a log is: after a position, within the history that an identity names. */
export interface Cursor {
  readonly position: number;
  /** Null for a bare position: it cannot be checked whether the log was restored since. */
  readonly identity: string | null;
}

const IDENTITY = /^[0-9a-f]{16}$/;
const CURSOR = /^(\d{1,16})(?:-([0-9a-f]{16}))?$/;

/** Whether a text is in the form of a log's identity: 16 lowercase hexadecimal digits. */
export function isIdentity(text: string): boolean {
  return IDENTITY.test(text);
}

/** Reads a cursor: `<position>-<identity>`, or `<position>`. Null for any other text. */
export function parseCursor(text: string): Cursor | null {
  const [, digits, identity = null] = CURSOR.exec(text) ?? [];
  const position = Number(digits);
  return digits === undefined || !Number.isSafeInteger(position) ? null : { position, identity };
}

/** The text of a cursor. */
export function cursorText(position: number, identity: string): string {
  return `${position}-${identity}`;
}

/** The id of an event to read on from: the text of a cursor, which is the bare position where no identity is known. */
export function eventIdOf({ position, identity }: Cursor): string {
  return identity === null ? String(position) : cursorText(position, identity);
}
