/** Path of a consumer that no log has: its objective names no log, and it has read none. */
export function absentConsumer(name: string): string {
  return `/consumers/${name}`;
}
