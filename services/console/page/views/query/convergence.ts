import { h } from "../../dom.ts";

export function createConvergence(_queryId: string) {
  return { element: h("section", {}), close() {} };
}
