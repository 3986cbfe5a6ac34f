/** Counts the erasures of versions of Kilde that left copies of the erased data in the file. */
export const COUNT_OLDER_ERASURES = "select count(*) from erasures where sweep < 0";

/** Leaves them to the sweep of the next server, which also empties the write-ahead log. */
export const SWEEP_OLDER_ERASURES = "update erasures set sweep = 1 where sweep < 0";
