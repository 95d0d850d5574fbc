import { createHandler } from "./record-executions/handler.ts";

export const handler = createHandler(process.env);
