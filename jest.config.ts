import type { Config } from "jest";

const shared = {
  testEnvironment: "node",
  transform: {},
  extensionsToTreatAsEsm: [".ts"],
  setupFiles: ["<rootDir>/test/support/token.ts"],
  modulePathIgnorePatterns: ["<rootDir>/cdk.out", "<rootDir>/.local"],
} as const;

const kind = (displayName: string, pattern: string) => ({
  ...shared,
  displayName,
  testMatch: [`<rootDir>/test/**/*.${pattern}.ts`],
});

const config: Config = {
  projects: [
    { ...shared, displayName: "unit", testMatch: ["<rootDir>/test/**/!(*.prop|*.int|*.e2e).test.ts"] },
    kind("property", "prop.test"),
    {
      ...kind("integration", "int.test"),
      globalSetup: "<rootDir>/test/support/cloud-setup.ts",
      globalTeardown: "<rootDir>/test/support/cloud-teardown.ts",
    },
    kind("end-to-end", "e2e.test"),
  ],
};

export default config;
