import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The Node.js of the project, wherever this process was started from. */
export const nodeBinary = join(root, "node_modules", ".bin", "node");

/** Where everything lives that this machine's cloud and services leave behind. */
export const defaultDirectory = join(root, ".local");
