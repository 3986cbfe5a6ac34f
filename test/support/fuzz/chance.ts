import { chanceOf } from "../chance.ts";

/** Random choices that one seed determines. */
export interface Chance {
  /** 0 up to 1. */
  fraction(): number;
  /** A whole number from 0 up to, and not including, `end`. */
  below(end: number): number;
  /** True in `share` of all cases. */
  happens(share: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
  /** Between `least` and `most` results of `make`. */
  several<Item>(least: number, most: number, make: () => Item): Item[];
}

export function seededChance(seed: number): Chance {
  const fraction = chanceOf(seed);
  const below = (end: number) => Math.floor(fraction() * end);
  return {
    fraction,
    below,
    happens: (share) => fraction() < share,
    pick<Item>(items: readonly Item[]): Item {
      const item = items[below(items.length)];
      if (item === undefined) throw new Error("an empty list has no item to pick");
      return item;
    },
    several: (least, most, make) => Array.from({ length: least + below(most - least + 1) }, make),
  };
}

/** Seed of this run: `KILDE_FUZZ_SEED`, or a new one. Each test prints it when it fails. */
export const SEED = Number(process.env["KILDE_FUZZ_SEED"] ?? Date.now() % 2 ** 31);

/** Rounds of each test: `KILDE_FUZZ_ROUNDS`, 3 by default. */
export const ROUNDS = Number(process.env["KILDE_FUZZ_ROUNDS"] ?? 3);
