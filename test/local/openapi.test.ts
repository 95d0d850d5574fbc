import { readFileSync } from "node:fs";
import { expect, it } from "@jest/globals";
import { databaseDocument, databaseDocumentText, openApiFile } from "../../local/openapi.ts";
import { silentLog } from "../../platform/log.ts";
import { createServerApi, HostUnavailable } from "../../platform/server-api.ts";
import { routesOf } from "../support/doors.ts";

it("docs/openapi/database.json is current: 'npm run openapi' writes it", () => {
  expect(readFileSync(openApiFile, "utf8")).toBe(databaseDocumentText());
});

it("has every route that our servers serve, and no other", () => {
  const away = () => {
    throw new HostUnavailable("away");
  };
  const host = { queue: away, resources: away, delay: away, place: away, info: away, subscribe: away };
  const documented = Object.entries(databaseDocument().paths ?? {}).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(documented.sort()).toEqual(routesOf(createServerApi(host, { log: silentLog })));
});
