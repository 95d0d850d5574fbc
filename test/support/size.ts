/** Whether this is the long run (`npm run test:long`), with full counts; an ordinary run takes a slice of each. */
export const isLong = process.env.EVENKEEL_LONG === "1";

/** The count for this run. */
export function size(counts: { readonly slice: number; readonly full: number }): number {
  return isLong ? counts.full : counts.slice;
}
