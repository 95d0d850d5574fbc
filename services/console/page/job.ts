/** Long work of the server: asked for until it is done, with its progress shown. */
import type { Job } from "../contract/jobs.ts";
import { ApiError, request } from "./api.ts";
import { fill, h } from "./dom.ts";
import { formatShare } from "./format.ts";

const againMs = 700;

/** @throws ApiError with the server's words when the work fails; undefined when `signal` aborts first */
export async function awaitJob<Result>(
  address: string,
  progress: Element,
  signal: AbortSignal,
): Promise<Result | undefined> {
  for (;;) {
    const job = await request<Job<Result>>(address, { signal });
    if (job.state === "done") {
      fill(progress);
      return job.result;
    }
    if (job.state === "failed") throw new ApiError(job.problem, 0);
    const label = `${job.doing}, ${formatShare(job.share)}`;
    fill(
      progress,
      h(
        "p",
        { class: "quiet", role: "status" },
        h("progress", { value: job.share, max: 1, "aria-label": label }),
        " ",
        label,
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, againMs));
    if (signal.aborted) return undefined;
  }
}
