/** The page's files: TypeScript modules with their types stripped, read once at start, sent compressed. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire, stripTypeScriptTypes } from "node:module";
import { gzipSync } from "node:zlib";
import type { Context } from "hono";

export interface Asset {
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly gzipped: Uint8Array<ArrayBuffer>;
  readonly etag: string;
}

const pageDirectory = new URL("./page/", import.meta.url);
const require = createRequire(import.meta.url);

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};
const script = "text/javascript; charset=utf-8";

/** Of every answer: nothing inline, nothing from elsewhere, and no text ever taken for HTML. */
export const pageHeaders = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
} as const;

/** By path below `/page/`. */
export function loadAssets(): Map<string, Asset> {
  const assets = new Map<string, Asset>();
  for (const file of readdirSync(pageDirectory, { recursive: true, encoding: "utf8" })) {
    const ending = file.split(".").at(-1) ?? "";
    if (file.endsWith(".d.ts")) continue;
    if (ending === "ts") {
      const source = readFileSync(new URL(file, pageDirectory), "utf8");
      assets.set(file, asset(script, Buffer.from(withoutBlanks(stripTypeScriptTypes(source)))));
    } else if (types[ending]) assets.set(file, asset(types[ending], readFileSync(new URL(file, pageDirectory))));
  }
  const uplot = readFileSync(require.resolve("uplot/dist/uPlot.iife.min.js"), "utf8");
  assets.set("uplot.js", asset(script, Buffer.from(`${uplot}\nexport default uPlot;\n`)));
  assets.set("uplot.css", asset(types.css ?? "", readFileSync(require.resolve("uplot/dist/uPlot.min.css"))));
  return assets;
}

/** Stripped types leave blanks in their place. */
function withoutBlanks(source: string): string {
  return source.replaceAll(/[ \t]+$/gm, "").replaceAll(/\n{2,}/g, "\n");
}

function asset(type: string, body: Buffer): Asset {
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 20)}"`;
  return { type, body: new Uint8Array(body), gzipped: new Uint8Array(gzipSync(body, { level: 9 })), etag };
}

export function sendAsset(context: Context, { type, body, gzipped, etag }: Asset): Response {
  const headers = { ETag: etag, "Cache-Control": "no-cache", Vary: "Accept-Encoding" };
  if (context.req.header("if-none-match") === etag) return context.body(null, 304, headers);
  const zipped = /\bgzip\b/.test(context.req.header("accept-encoding") ?? "");
  return zipped
    ? context.body(gzipped, 200, { ...headers, "Content-Type": type, "Content-Encoding": "gzip" })
    : context.body(body, 200, { ...headers, "Content-Type": type });
}
