import { type HttpApp, httpError, limitBody, parseBody } from "../../../platform/http.ts";
import { describeError } from "../../../platform/log.ts";
import { ServerRefused } from "../../../platform/server-errors.ts";
import { knobsChange } from "../contract/live.ts";
import type { SchedulerClient } from "../scheduler-client.ts";

/** PUT /api/knobs: turns the scheduler off and on, and sets budget and band; it answers with the knobs now in force. */
export function addSwitchRoutes(app: HttpApp, scheduler: SchedulerClient | undefined): void {
  app.put("/api/knobs", limitBody(4_096), async (context) => {
    const change = await parseBody(context, knobsChange);
    if (!scheduler) throw httpError(409, "this loop runs without a scheduler");
    try {
      return context.json(await scheduler.setKnobs(change));
    } catch (error) {
      if (error instanceof ServerRefused && error.status === 400) throw httpError(400, error.message, error);
      throw httpError(502, `the scheduler did not take it: ${describeError(error)}`.slice(0, 300), error);
    }
  });
}
