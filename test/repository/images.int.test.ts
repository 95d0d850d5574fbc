/** Each image's files, made by the Dockerfile's own steps from nothing, and started as the image would be. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, chownSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { DockerIgnoreStrategy } from "aws-cdk-lib";
import { z } from "zod";
import { resources } from "../../platform/wire.ts";
import { sharedCloud } from "../support/cloud.ts";
import { buildFiles, type ImageFiles, readStages } from "../support/dockerfile.ts";
import { eventually } from "../support/eventually.ts";
import { listeningUrl } from "../support/scheduler.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const services = ["sim-server", "scheduler", "tap", "gatekeeper", "sampler", "console"] as const;
type Service = (typeof services)[number];
/** Not root's, and owner of nothing but what is given to it; where the test may not change users, its own. */
const uid = process.getuid?.() === 0 ? 65_534 : undefined;
const token = randomUUID();
const authorization = { authorization: `Bearer ${token}` };

const ignored = new DockerIgnoreStrategy(process.cwd(), readFileSync(".dockerignore", "utf8").split("\n"));
const allowed = (path: string) => !ignored.ignores(join(process.cwd(), path));
const stages = readStages(readFileSync("Dockerfile", "utf8"));

describe("the images", () => {
  const directory = temporaryDirectory();
  const images = new Map<Service, ImageFiles>();
  const running: ChildProcess[] = [];
  const filesOf = ({ root }: ImageFiles) => globSync(`${root}/**/*`, { exclude: ["data"] }).sort();
  const data = () => {
    const path = join(directory.path, randomUUID());
    mkdirSync(path);
    if (uid !== undefined) chownSync(path, uid, uid);
    return path;
  };

  const start = (service: Service, variables: Readonly<Record<string, string>>) =>
    listeningUrl(run(service, variables));

  /** Starts an image as `docker run --read-only --user` would, on loopback. */
  function run(service: Service, variables: Readonly<Record<string, string>>): ChildProcess {
    const image = images.get(service);
    if (!image) throw new Error(`no image ${service}`);
    const [program = "", ...args] = image.command;
    const child = spawn(join(image.root, "bin", program), args, {
      cwd: image.workingDirectory,
      env: {
        ...image.environment,
        ...sharedCloud(),
        ...{ HOST: "127.0.0.1", STATUS_HOST: "127.0.0.1", PORT: "0", STATUS_PORT: "0" },
        ...{ EVENKEEL_DATA_DIR: data(), EVENKEEL_TOKEN: token, EVENKEEL_SERVER_ID: "image" },
        ...variables,
      },
      stdio: ["ignore", "pipe", process.env.EVENKEEL_TEST_OUTPUT ? "inherit" : "ignore"],
      ...(uid !== undefined && { uid, gid: uid }),
    });
    running.push(child);
    return child;
  }

  const ask = async (url: string) => {
    const answer = await fetch(url, { headers: authorization }).catch(() => undefined);
    await answer?.body?.cancel();
    return answer?.status;
  };

  beforeAll(() => {
    chmodSync(directory.path, 0o755);
    let packages: string | undefined;
    for (const service of services) {
      const stage = stages.get(service);
      if (!stage) throw new Error(`the Dockerfile has no stage ${service}`);
      const image = buildFiles(stage, join(directory.path, service), allowed, packages);
      packages ??= image.workingDirectory;
      images.set(service, image);
    }
    // Nobody may write: what belongs to this user is made read-only for him, too.
    for (const image of images.values()) spawnSync("chmod", ["-R", "a-w,a+rX", image.root]);
  }, 180_000);
  afterAll(() => {
    for (const child of running) child.kill("SIGKILL");
    spawnSync("chmod", ["-R", "u+w", directory.path]);
    directory[Symbol.dispose]();
  });

  it("are all users' but root's, and hold less than 250 MB", () => {
    const shared = images.get("sim-server");
    if (!shared) throw new Error("no image");
    const packages = `${shared.workingDirectory}/node_modules/`;
    const size = (files: readonly string[]) => files.reduce((sum, file) => sum + statSync(file).size, 0) / 1e6;
    const ofPackages = size(globSync(`${packages}**/*`));
    for (const image of images.values()) {
      expect(image.user).toBe("node");
      const own = filesOf(image).filter((file) => !file.includes("/node_modules"));
      expect(size(own) + ofPackages).toBeLessThan(250);
    }
    // Neither compiler nor CDK nor tests.
    expect(globSync(`${packages}{typescript,aws-cdk,aws-cdk-lib,jest,esbuild}`)).toEqual([]);
  });

  it("start from these files alone, as a user who may write nothing of them", async () => {
    const before = new Map([...images].map(([service, image]) => [service, filesOf(image)]));
    const server = await start("sim-server", {});
    expect(
      await eventually(
        () => ask(`${server}/server`),
        (status) => status === 200,
      ),
    ).toBe(200);
    const scheduler = await start("scheduler", { EVENKEEL_SERVER_URL: server });
    expect(
      await eventually(
        () => ask(`${scheduler}/status`),
        (status) => status === 200,
      ),
    ).toBe(200);
    const tap = await start("tap", { EVENKEEL_SERVER_URL: server, EVENKEEL_SERVER_ID: "tapped" });
    expect(
      await eventually(
        () => ask(`${tap}/server`),
        (status) => status === 200,
      ),
    ).toBe(200);
    const console = await start("console", { EVENKEEL_SERVER_URL: server, EVENKEEL_SCHEDULER_URL: scheduler });
    expect(
      await eventually(
        () => ask(`${console}/`),
        (status) => status === 200,
      ),
    ).toBe(200);
    const simulated = async () => {
      const answer = await fetch(`${console}/api/convergence/any?minutes=1`, { headers: authorization });
      return z.looseObject({ state: z.string() }).parse(await answer.json());
    };
    expect(await eventually(simulated, ({ state }) => state !== "running")).toMatchObject({ state: "done" });
    const gatekeeper = await start("gatekeeper", { EVENKEEL_SERVER_ID: "held" });
    // The processes that it measures are this one and its children.
    const database = data();
    writeFileSync(join(database, "postmaster.pid"), `${process.pid}\n`);
    run("sampler", { EVENKEEL_GATEKEEPER_URL: gatekeeper, EVENKEEL_PGDATA: database });
    const used = async () => {
      const answer = await fetch(`${gatekeeper}/resources`, { headers: authorization });
      return answer.ok ? resources.parse(await answer.json()).memory.average : 0;
    };
    expect(await eventually(used, (memory) => memory > 0)).toBeGreaterThan(0);
    for (const [service, image] of images) expect(filesOf(image)).toEqual(before.get(service));
  }, 120_000);

  it("would be seen to write", () => {
    const image = images.get("tap");
    const done = spawnSync(join(image?.root ?? "", "bin", "node"), ["-e", "require('fs').writeFileSync('x', '')"], {
      cwd: image?.workingDirectory ?? "",
      encoding: "utf8",
      ...(uid !== undefined && { uid, gid: uid }),
    });
    expect(done.stderr).toContain("EACCES");
  });
});
