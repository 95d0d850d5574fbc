import { createHandler } from "./estimate-costs/handler.ts";

export const handler = createHandler(process.env);
