/** Units that the answers share. */
import { z } from "zod";

export const count = z.int().min(0);
export const share = z.number().min(0).max(1);
/** Unix ms. */
export const time = z.int().min(0);
export const seconds = z.number().min(0);
/** CPU, IO, memory in percent of a tick. */
export const triple = z.tuple([z.number(), z.number(), z.number()]);
