/** The alarms of schedulers: of one for its server, and of a fleet by counts, so that they do not grow with the servers. */
import type { Construct } from "constructs";
import type { MetricName } from "../../platform/environment.ts";
import { fleetService } from "../settings.ts";
import { createAlarm, ownMetric } from "./alarm.ts";

export function alarmOfScheduler(
  scope: Construct,
  { server, service, stage }: { readonly server: string; readonly service: string; readonly stage: string },
): void {
  createAlarm(scope, "NoLease", {
    metric: ownMetric("HoldsLease", service, stage, "Maximum"),
    below: 1,
    periods: 5,
    missingIsBad: true,
    says: `No scheduler of server ${server} holds its lease: the load is not level.`,
    runbook: "no-lease",
  });
  createAlarm(scope, "OutOfBand", {
    metric: ownMetric("InBandShare", service, stage, "Minimum", 5),
    below: 0.5,
    periods: 6,
    says: `Fewer than half of the windows of server ${server} have been in band for 30 minutes.`,
    runbook: "out-of-band",
  });
  createAlarm(scope, "StaleCosts", {
    metric: ownMetric("CostsAgeSeconds", service, stage, "Minimum", 5),
    above: 900,
    says: `The scheduler of server ${server} goes by costs that are older than 15 minutes.`,
    runbook: "estimates-stale",
  });
}

export function alarmOfFleet(scope: Construct, stage: string): void {
  const metric = (name: MetricName, minutes = 1) => ownMetric(name, fleetService, stage, "Maximum", minutes);
  createAlarm(scope, "NoLease", {
    metric: metric("ServersWithoutLease"),
    above: 0,
    periods: 5,
    missingIsBad: true,
    says: "Servers have no scheduler: their load is not level.",
    runbook: "no-lease",
  });
  createAlarm(scope, "Away", {
    metric: metric("ServersAway", 5),
    above: 0,
    periods: 3,
    says: "Servers do not answer their scheduler.",
    runbook: "servers-away",
  });
  createAlarm(scope, "OutOfBand", {
    metric: metric("ServersOutOfBand", 5),
    above: 0,
    periods: 6,
    says: "Of some servers fewer than half of the windows have been in band for 30 minutes.",
    runbook: "out-of-band",
  });
  createAlarm(scope, "StaleCosts", {
    metric: metric("ServersStaleCosts", 5),
    above: 0,
    periods: 2,
    says: "Some servers are steered by costs that are older than 15 minutes.",
    runbook: "estimates-stale",
  });
  createAlarm(scope, "Busy", {
    metric: metric("BusyShare", 5),
    above: 0.8,
    periods: 2,
    says: "A scheduler process has hardly any time left: placements come late.",
    runbook: "schedulers-busy",
  });
}
