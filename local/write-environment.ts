/** Prints the outputs that `cdk deploy --outputs-file FILE` wrote as an environment file, for containers. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { environmentOfOutputs } from "../platform/environment.ts";

const [file = ""] = process.argv.slice(2);
const stacks = z.record(z.string(), z.record(z.string(), z.string())).parse(JSON.parse(readFileSync(file, "utf8")));
const environment = environmentOfOutputs(Object.assign({}, ...Object.values(stacks)));
for (const [name, value] of Object.entries(environment)) process.stdout.write(`${name}=${value}\n`);
