/** Reversed polynomial of CRC-32 (ISO 3309, as in zlib). */
const POLYNOMIAL = 0xed_b8_83_20;

/** CRC-32 of an ASCII text, as 8 hexadecimal digits. */
export function crc32Hex(text: string): string {
  let crc = 0xff_ff_ff_ff;
  for (let index = 0; index < text.length; index += 1) {
    crc ^= text.charCodeAt(index);
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  }
  return (~crc >>> 0).toString(16).padStart(8, "0");
}
