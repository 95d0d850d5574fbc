/**
 * One cloud for all integration tests of a run: started and stopped by Jest's global setup and teardown, on the
 * embedded emulator or what `EVENKEEL_TEST_CLOUD` names. Tests keep apart by a server id of their own.
 */
import { z } from "zod";
import { startTemporaryCloud, type TemporaryCloud } from "../../local/temporary-cloud.ts";
import { type WorkloadEnvironment, workloadEnvironment } from "../../platform/environment.ts";

const variable = "EVENKEEL_TEST_CLOUD_ENVIRONMENT";
let cloud: TemporaryCloud | undefined;

export async function startSharedCloud(): Promise<void> {
  cloud = await startTemporaryCloud();
  // Jest's workers inherit the variables of the process that starts them, and nothing else.
  process.env[variable] = JSON.stringify(cloud.environment);
}

export async function stopSharedCloud(): Promise<void> {
  await cloud?.stop();
}

/** For `createAws`, the functions of `platform/tables`, and child processes. */
export function sharedCloud(): WorkloadEnvironment & Readonly<Record<string, string>> {
  const environment = z.record(z.string(), z.string()).parse(JSON.parse(process.env[variable] ?? "null"));
  return { ...environment, ...workloadEnvironment.parse(environment) };
}
