import { createServer } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { identify } from "../../local/process-identity.ts";
import { removeRun, writeRun } from "../../local/run-record.ts";
import { Place } from "../support/evenkeel.ts";

/** What a user sees of a failure: one line, and an exit status. */
const oneLine = (message: RegExp) => expect.stringMatching(new RegExp(`^evenkeel: ${message.source}\n$`));

describe("the command line", () => {
  let place: Place;
  beforeAll(async () => {
    place = await Place.create();
  });
  afterAll(() => place.remove());

  it.each(["status", "costs", "audit", "tail", "env", "knobs", "replay", "frontier"])(
    "says of %s that nothing runs",
    async (command) => {
      expect(await place.run(command)).toMatchObject({
        status: 3,
        stderr: oneLine(/nothing runs here: start it with 'make local'/),
      });
    },
  );

  it("has nothing to do for down", async () => {
    expect(await place.run("down")).toMatchObject({ status: 0, stdout: "nothing ran\n", stderr: "" });
  });

  it("names a taken port, and the option for another one", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address ? String(address.port) : "";
    const failed = await place.up("--cloud", "embedded", "--server-port", port).finished;
    server.close();
    expect(failed).toMatchObject({
      status: 3,
      stderr: oneLine(
        /port \d+, for the simulated database, is taken by another program: stop that program, or choose another port with --server-port/,
      ),
    });
    expect(failed.stderr).toContain(`port ${port},`);
  });

  it("knows the scenarios", async () => {
    expect(await place.up("--scenario", "defualt").finished).toMatchObject({
      status: 3,
      stderr: oneLine(/defualt: neither a parameter file nor a scenario \(bursty, default, .*\)/),
    });
  });

  it("does not start a second time", async () => {
    const supervisor = identify(process.pid);
    if (!supervisor) throw new Error("this process is not known");
    writeRun(place.directory, {
      format: 1,
      startedAt: 0,
      supervisor,
      processes: [],
      serverId: "local",
      serverUrl: "http://127.0.0.1:9000",
      environment: {},
    });
    expect(await place.up().finished).toMatchObject({ status: 3, stderr: oneLine(/it runs already .*evenkeel down'/) });
    expect(await place.run("audit")).toMatchObject({ status: 3, stderr: oneLine(/it is still starting: .*/) });
    removeRun(place.directory);
  });

  it.each([
    [["up", "--server-port", "99999"], /argument '99999' is invalid/],
    [["up", "--server-port", "90.5"], /A port is a whole number/],
    [["up", "--cloud", "azure"], /Allowed choices are embedded, localstack/],
    [["up", "--latency-p95", "0"], /A number of seconds above 0/],
    [["audit", "--wait", "-1"], /A number of seconds, 0 to 3600/],
    [["tail", "--count", "many"], /A whole number, 0 or more/],
    [["replay", "--from", "noon"], /A time is expected/],
    [["frontier", "--budgets", "3,x"], /A number of seconds above 0/],
    [["frontier", "--scenario", "five", "--from", "1h"], /cannot be used with/],
    [["cost"], /Did you mean costs/],
    [["status", "--jsno"], /unknown option '--jsno'/],
  ])("refuses %j", async (args, message) => {
    const refused = await place.run(...args);
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringMatching(message) });
  });

  it.each([["up"], ["down"], ["status"], ["costs"], ["audit"], ["tail"], ["env"], ["knobs"], ["replay"], ["frontier"]])(
    "helps with %s",
    async (command) => {
      expect(await place.run(command, "--help")).toMatchObject({ status: 0, stderr: "" });
    },
  );
});
