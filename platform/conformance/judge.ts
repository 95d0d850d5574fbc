/** Judges what was watched: a pure function of it. */
import { deviates, type Finding, right, shown, unseen, wrong } from "./findings.ts";
import type { Trial, Watched } from "./watch.ts";

export interface Clockwork {
  readonly tickMs: number;
  readonly windowMs: number;
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

const queued = "GET /queued";
const metrics = "GET /resources";
const delay = "POST /delay";

export function judge(watched: Watched, clockwork: Clockwork): Finding[] {
  return [...judgeQueue(watched, clockwork), ...judgeResources(watched, clockwork), ...judgeDelay(watched, clockwork)];
}

function judgeQueue(watched: Watched, { tickMs }: Clockwork): Finding[] {
  const { sightings, badQueue, empty, failures, queuedMs, twiceInOneAnswer } = watched;
  const found: Finding[] = [];
  const form = "answers an array of {query: {id}, execution: {id, timestamp}}";
  if (badQueue) found.push(wrong(queued, form, badQueue, "nothing can be captured"));
  else if (sightings.length > 0) found.push(right(queued, form, `${sightings.length} executions seen`));
  else found.push(unseen(queued, form, "nothing waited while the test looked: run it while the server has work"));

  const none = "answers 204 without a body while nothing waits";
  if (empty.array > 0) found.push(deviates(queued, none, "200 with an empty array", "nothing: both are read"));
  else if (empty.noContent > 0) found.push(right(queued, none));
  else found.push(unseen(queued, none, "something always waited"));

  if (twiceInOneAnswer) {
    found.push(wrong(queued, "names each execution once", "one stood twice in an answer", "executions are miscounted"));
  }
  const [failure] = failures;
  if (failure !== undefined) {
    found.push(
      deviates(
        queued,
        "always answers",
        `${failures.length} requests failed: ${failure}`,
        "each is told as a gap: what ran in it may be missing",
      ),
    );
  }
  const typical = median(queuedMs);
  const quick = "answers within a third of a tick";
  if (typical !== undefined && typical > tickMs / 3) {
    found.push(
      deviates(
        queued,
        quick,
        `${typical.toFixed(0)} ms typically`,
        "an execution that waits for one tick only can be missed",
      ),
    );
  } else if (typical !== undefined) found.push(right(queued, quick, `${typical.toFixed(1)} ms typically`));

  if (sightings.length > 0) {
    const stamped = sightings.filter((sighting) => sighting.stamped).length;
    const stamps = "stamps executions with their ticks (optional: tick, arrivedTick)";
    if (stamped === sightings.length) found.push(right(queued, stamps));
    else {
      found.push(
        deviates(
          queued,
          stamps,
          stamped === 0 ? "no stamps" : `${stamped} of ${sightings.length}`,
          "the tap infers ticks: what runs while it does not look may be missing, and costs are learned more slowly",
        ),
      );
    }
  }
  found.push(...judgeTimestamps(watched, tickMs));
  return found;
}

/**
 * Whether somebody else, a scheduler say, delays executions meanwhile: some are told to run in another tick than before, or
 * wait for long while most run soon.
 */
function othersDelay({ sightings, trials }: Watched, tickMs: number): boolean {
  const tried = new Set(trials.map(({ sighting }) => sighting));
  const usual = sightings.filter((sighting) => !tried.has(sighting));
  const waits = usual.flatMap(({ firstAt, goneAt }) => (goneAt === undefined ? [] : [(goneAt - firstAt) / tickMs]));
  const shortest = Math.min(...waits);
  return usual.filter(({ moved }) => moved).length >= 2 || waits.filter((wait) => wait > shortest + 4).length >= 3;
}

function judgeTimestamps(watched: Watched, tickMs: number): Finding[] {
  const { sightings, trials } = watched;
  const check = "tells when each execution will run (timestamp, within two ticks)";
  const tried = new Set(trials.map(({ sighting }) => sighting));
  const told = othersDelay(watched, tickMs) ? "last" : "first";
  const usual = sightings.flatMap((sighting) =>
    sighting.wallGoneAt === undefined || tried.has(sighting) ? [] : [sighting.wallGoneAt - sighting[told].timestamp],
  );
  const delayed = trials.flatMap(({ sighting, timestampAfter }) =>
    told === "last" || sighting?.wallGoneAt === undefined || timestampAfter === undefined
      ? []
      : [sighting.wallGoneAt - timestampAfter],
  );
  const offsets = [median(usual), ...delayed].filter((offset) => offset !== undefined);
  const worst = offsets.toSorted((a, b) => Math.abs(b) - Math.abs(a))[0];
  if (worst === undefined) return [unseen(queued, check, "no execution was seen to go")];
  if (Math.abs(worst) <= 2 * tickMs) return [right(queued, check, `off by ${worst.toFixed(0)} ms at most`)];
  const early = worst > 0 ? "too early" : "too late";
  return [
    deviates(
      queued,
      check,
      `${Math.abs(worst).toFixed(0)} ms ${early}`,
      "nothing: the tap does not rely on it; people who read it are misled",
    ),
  ];
}

function judgeResources({ windows, badResources }: Watched, { windowMs, tickMs }: Clockwork): Finding[] {
  const form = "answers {cpu, io, memory: {average, min, max}, timestamp}";
  if (badResources) return [wrong(metrics, form, badResources, "no costs can be learned, and nothing can be levelled")];
  const found: Finding[] = [right(metrics, form)];
  const bands = windows.flatMap(({ value }) => [value.cpu, value.io, value.memory]);
  const whole = "numbers are integers";
  if (bands.every((band) => [band.average, band.min, band.max].every(Number.isInteger)))
    found.push(right(metrics, whole));
  else found.push(deviates(metrics, whole, "fractions", "costs are taken for integers: they are known less exactly"));
  const ordered = "min <= average <= max";
  // The average is floored: it may be below a minimum that is none.
  const broken = bands.find(({ average, min, max }) => Math.floor(min) > average || average > max);
  if (!broken) found.push(right(metrics, ordered));
  else found.push(wrong(metrics, ordered, JSON.stringify(broken), "costs that are learned from it are wrong"));

  const refreshes = windows.slice(1).map(({ at }, index) => at - (windows[index]?.at ?? at));
  const often = `is refreshed every ${windowMs} ms`;
  if (refreshes.length < 3) {
    found.push(
      windows.length > 1
        ? unseen(metrics, often, `${refreshes.length} refreshes: let the test run longer`)
        : wrong(metrics, often, "never refreshed", "no costs can be learned"),
    );
    return found;
  }
  const typical = median(refreshes) ?? 0;
  const looseness = 0.75 * tickMs;
  if (Math.abs(typical - windowMs) > looseness) {
    found.push(
      deviates(
        metrics,
        often,
        `every ${typical.toFixed(0)} ms`,
        "tell the tap: EVENKEEL_WINDOW_TICKS; costs are wrong until then",
      ),
    );
  } else found.push(right(metrics, often, `${typical.toFixed(0)} ms typically`));

  const even = "windows are of one length and timestamps are their ends";
  const stamps = windows
    .slice(2)
    .map(({ value }, index) => value.timestamp - (windows[index + 1]?.value.timestamp ?? 0));
  const spread = Math.max(...stamps) - Math.min(...stamps);
  if (stamps.some((step) => step <= 0)) {
    found.push(
      deviates(
        metrics,
        even,
        "timestamps do not grow",
        "window bounds are inferred from the polls alone: costs are learned more slowly",
      ),
    );
  } else if (spread > tickMs / 4) {
    found.push(
      deviates(
        metrics,
        even,
        `lengths differ by ${spread.toFixed(0)} ms`,
        "a window holds a tick more or less: bounds are inferred, costs are learned more slowly",
      ),
    );
  } else found.push(right(metrics, even));
  return found;
}

/** Ticks from the posts until it ran. */
function waited({ sighting, postedAt }: Trial, tickMs: number): number | undefined {
  return sighting?.goneAt === undefined ? undefined : (sighting.goneAt - postedAt) / tickMs;
}

function judgeDelay(watched: Watched, { tickMs }: Clockwork): Finding[] {
  const others = othersDelay(watched, tickMs);
  return watched.trials.map((trial) => {
    const total = trial.parts.reduce((sum, part) => sum + part, 0);
    const several = trial.parts.length > 1;
    const check = several
      ? `adds: ${trial.parts.join(" and ")} ticks make ${total}`
      : `postpones: with ${total} ticks more, an execution runs ${total} ticks later`;
    if (trial.refused) return wrong(delay, check, shown(trial.refused), "nothing can be postponed");
    if (!trial.sighting) return unseen(delay, check, "no execution waited long enough to be delayed");
    const ticks = waited(trial, tickMs);
    if (ticks === undefined && others)
      return unseen(delay, check, "somebody else delays executions, too: stop the scheduler, and test again");
    if (ticks === undefined) {
      return wrong(
        delay,
        check,
        "it still waits, long after",
        "the delay is not in ticks of this length: set EVENKEEL_TICK_MS, or executions starve",
      );
    }
    const seen = `ran after ${ticks.toFixed(1)} ticks`;
    if (Math.abs(ticks - total) <= 3) return right(delay, check, seen);
    if (others) {
      return unseen(
        delay,
        check,
        `${seen}, but somebody else delays executions, too: stop the scheduler, and test again`,
      );
    }
    const last = trial.parts.at(-1) ?? 0;
    if (several && Math.abs(ticks - last) <= 3)
      return wrong(
        delay,
        check,
        `${seen}: the last one counts alone`,
        "executions run before their time: the load is not level",
      );
    return wrong(
      delay,
      check,
      seen,
      ticks < total
        ? "postponing has little or no effect: the load cannot be levelled"
        : "a tick is longer than told: set EVENKEEL_TICK_MS, or executions wait too long",
    );
  });
}
