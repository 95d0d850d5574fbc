/** Beside the load: is everything recorded, what waits where, who steers, and what would survive. */
import type { LiveState, Part } from "../../../contract/live.ts";
import { type Child, fill, h } from "../../dom.ts";
import { formatAge, formatBytes, formatCount, formatDuration, formatShare, formatTime } from "../../format.ts";

type Row = readonly [title: string, ...value: Child[]];

export function createHealthCards() {
  const record = createList("Executed and recorded");
  const queues = createList("What waits");
  const scheduler = createList("Scheduler", "half");
  const parts = createList("Parts", "half");
  return {
    elements: [record.element, queues.element, scheduler.element, parts.element],
    update(state: LiveState): void {
      record.show(recordRows(state));
      queues.show(queueRows(state));
      scheduler.show(schedulerRows(state));
      parts.show(partRows(state));
    },
  };
}

function createList(title: string, width: "third" | "half" = "third") {
  const list = h("dl");
  return {
    element: h("section", { class: `card ${width}`, "aria-label": title }, h("h2", {}, title), list),
    show(rows: readonly Row[]): void {
      fill(list, ...rows.flatMap(([name, ...value]) => [h("dt", {}, name), h("dd", {}, ...value)]));
    },
  };
}

function recordRows({ capture, audit, at }: LiveState): Row[] {
  const rows: Row[] = capture
    ? [
        [
          "Executions captured",
          formatCount(capture.executed),
          h("span", { class: "quiet" }, " since the server started"),
        ],
        ["Rows on disk", `1 to ${formatCount(capture.lastSequence)}`],
        ["Recorded through", formatCount(capture.recordedThrough)],
      ]
    : [["Captured", "not known"]];
  if (!audit) rows.push(["Audit", "has not spoken yet"]);
  else {
    const word = audit.complete
      ? h("span", { class: "good" }, "nothing is missing")
      : h(
          "span",
          { class: "bad" },
          `${formatCount(audit.lost)} rows are lost, ${formatCount(audit.deadLettered)} are dead letters`,
        );
    const held = audit.onTheWay > 0 ? `, ${formatCount(audit.onTheWay)} on their way` : "";
    const counts = ` ${formatCount(audit.recorded)} of ${formatCount(audit.executed)} rows recorded${held}; asked ${formatAge(audit.at, at)}`;
    rows.push(["Audit", word, h("span", { class: "quiet" }, counts)]);
    if (audit.discarded > 0) rows.push(["Discarded", `${formatCount(audit.discarded)} rows, by a person`]);
    if (audit.gaps > 0) rows.push(["Gaps", `${formatCount(audit.gaps)}: then something may have run unseen`]);
  }
  return rows;
}

function queueRows({ capture, queue, waiting, at }: LiveState): Row[] {
  return [
    ["On the server", `${formatCount(waiting)} executions`],
    [
      "Outbox",
      capture ? `${formatCount(capture.waitingRows)} rows to record, ${formatBytes(capture.outboxBytes)}` : "not known",
    ],
    ["Last sent", capture ? formatAge(capture.lastSentAt, at) : "not known"],
    [
      "SQS queue",
      queue ? `${formatCount(queue.waiting)} messages, ${formatCount(queue.inFlight)} in work` : "not known",
    ],
    [
      "Dead letters",
      queue ? h("span", { class: queue.deadLetters > 0 ? "bad" : "" }, formatCount(queue.deadLetters)) : "not known",
    ],
  ];
}

function schedulerRows({ scheduler, costs, at }: LiveState): Row[] {
  const costRow: Row = [
    "Costs",
    costs?.version
      ? `version ${costs.version}, ${formatCount(costs.queries)} queries, estimated ${formatAge(costs.estimatedAt, at)}`
      : "none yet",
  ];
  if (!scheduler) return [["Lease", "not known"], costRow];
  const { lease, mode, api, backlog, lateShare, planMs, placements } = scheduler;
  return [
    ["Mode", `${mode}, by /${api}`],
    [
      "Lease",
      lease.remainingMs > 0
        ? `${lease.slot}, token ${lease.token}, ${(lease.remainingMs / 1_000).toFixed(0)} s left`
        : h("span", { class: "bad" }, "nobody holds it"),
    ],
    costRow,
    ["Backlog", `${formatCount(backlog)} executions`],
    ["Placed", `${formatCount(placements)}, ${formatShare(lateShare, 1)} too late`],
    ["Planning", planMs ? `p50 ${planMs.p50.toFixed(2)} ms, p99 ${planMs.p99.toFixed(2)} ms a tick` : "–"],
  ];
}

const names: Readonly<Record<Part["name"], string>> = {
  database: "Database",
  scheduler: "Scheduler",
  tables: "DynamoDB",
  queue: "SQS",
};

function partRows({ parts, at, keeps }: LiveState): Row[] {
  const word = ({ state, since }: Part): Child => {
    switch (state) {
      case "answers":
        return `answers, since ${formatTime(since)}`;
      case "away":
        return h("span", { class: "bad" }, `away for ${formatDuration((at - since) / 1_000)}`);
      case "asking":
        return "asked, no answer yet";
      case "absent":
        return "none in this loop";
    }
  };
  return [...parts.map((part): Row => [names[part.name], word(part)]), ["A restart", keeps]];
}
