/** Clouds for tests and benches: on a free port, in a directory of their own, gone afterwards. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Cloud, type CloudKind, cloudKinds, startCloud } from "./cloud.ts";
import { deploy } from "./deploy.ts";
import { LocalError } from "./errors.ts";
import { freePort } from "./ports.ts";
import type { Environment } from "./process.ts";

/** A cloud with the workload stack deployed. */
export interface TemporaryCloud {
  readonly cloud: Cloud;
  /** What a process of the loop needs: pass it to `createAws`, or to a child process. */
  readonly environment: Environment;
  /** For whatever else the test leaves behind; removed by `stop`. */
  readonly directory: string;
  stop(): Promise<void>;
}

/** The kind of cloud that the tests run on: `EVENKEEL_TEST_CLOUD`, or the embedded one. */
export function testCloudKind(): CloudKind {
  const wanted = process.env.EVENKEEL_TEST_CLOUD || "embedded";
  const kind = cloudKinds.find((known) => known === wanted);
  if (!kind) throw new LocalError(`EVENKEEL_TEST_CLOUD is ${wanted}: choose one of ${cloudKinds.join(", ")}`);
  return kind;
}

/**
 * Starts a cloud and deploys the stack: about 7 s for the embedded one, 20 s for LocalStack.
 * @example
 * const aws = await startTemporaryCloud();
 * try { await measure(createAws(aws.environment)); } finally { await aws.stop(); }
 */
export async function startTemporaryCloud(kind: CloudKind = testCloudKind()): Promise<TemporaryCloud> {
  const directory = await mkdtemp(join(tmpdir(), "evenkeel-"));
  const cloud = await startCloud({ kind, port: await freePort(), directory: join(directory, "cloud") });
  const stop = async () => {
    await cloud.stop();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    return { cloud, environment: await deploy(cloud, { directory: join(directory, "cloud") }), directory, stop };
  } catch (cause) {
    await stop();
    throw cause;
  }
}
