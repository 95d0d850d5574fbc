/** Loads the scheduler from a cache of compiled code: a third of the time, and a restart must steer again within 2 s. */
import { enableCompileCache, flushCompileCache } from "node:module";

enableCompileCache();
const { run } = await import("./process.ts");
// At once, and not when the process ends: it may be killed.
flushCompileCache();
await run();
