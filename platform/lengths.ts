/**
 * For checks of length, as in `z.string().max(9, ofText)`. Without it zod measures whatever has a `length`, of another
 * type, too, and throws for `{"length": {"toString": 0}}` instead of refusing it.
 */
export const ofText = { abort: false, when: ({ value }: { readonly value: unknown }) => typeof value === "string" };
export const ofList = { abort: false, when: ({ value }: { readonly value: unknown }) => Array.isArray(value) };
