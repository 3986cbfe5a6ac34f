import { crc32, deflateRawSync, gunzipSync } from "node:zlib";

/**
 * A gzip file may consist of several members, which decompress as one file. Each page of an export is a member with
 * its length in an extra field of its header (RFC 1952 §2.3.1.1), so the last complete one is found without
 * decompressing the file.
 */

/** Magic, deflate, an extra field, no time, unknown system; 8 bytes of extra field; "Ki", 4 bytes. */
const HEADER = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 8, 0, 0x4b, 0x69, 4, 0] as const;
const LENGTH_OFFSET = HEADER.length;
/** Size of a member's header, including its length field. */
export const MEMBER_HEADER_BYTES = HEADER.length + 4;
const TRAILER_BYTES = 8;

export function gzipMember(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const deflated = deflateRawSync(bytes);
  const member = new Uint8Array(MEMBER_HEADER_BYTES + deflated.length + TRAILER_BYTES);
  const view = new DataView(member.buffer);
  member.set(HEADER);
  view.setUint32(LENGTH_OFFSET, member.length, true);
  member.set(deflated, MEMBER_HEADER_BYTES);
  view.setUint32(member.length - 8, crc32(bytes), true);
  view.setUint32(member.length - 4, bytes.length, true);
  return member;
}

/** Length of the member with this header; null when another program wrote it. */
export function memberLength(header: Uint8Array): number | null {
  if (header.length < MEMBER_HEADER_BYTES || HEADER.some((byte, index) => header[index] !== byte))
    return null;
  return new DataView(header.buffer, header.byteOffset).getUint32(LENGTH_OFFSET, true);
}

export function memberText(member: Uint8Array): string {
  return new TextDecoder().decode(gunzipSync(member));
}
