import type { Placement, Steering, TickObservation, Waiting } from "../../core/workload/types.ts";

/** The simplest planner: each execution runs `shift` ticks after it would. Notes what it is told. */
export class ShiftSteering implements Steering {
  readonly told: string[] = [];
  readonly #shift: number;
  #fresh: Waiting[] = [];
  saved: unknown = undefined;

  constructor(shift: number, saved?: unknown) {
    this.#shift = shift;
    this.saved = saved;
  }

  resume(tick: number, waiting: readonly Waiting[]): void {
    this.told.push(`resume ${tick}: ${waiting.map(({ id }) => id).join(" ")}`);
    this.#fresh = [];
  }

  observe({ tick, executed, arrived }: TickObservation): void {
    this.told.push(
      `tick ${tick}: -${executed.map(({ id }) => id).join(" ")} +${arrived.map(({ id }) => id).join(" ")}`,
    );
    this.#fresh.push(...arrived);
  }

  plan(): readonly Placement[] {
    const placements = this.#fresh.map(({ id, tick }) => ({ id, tick: tick + this.#shift }));
    this.#fresh = [];
    return placements;
  }

  settle(results: readonly { readonly id: string; readonly tick: number | undefined }[]): void {
    this.told.push(`settle ${results.map(({ id, tick }) => `${id}@${tick}`).join(" ")}`);
  }

  setCosts(costs: ReadonlyMap<string, unknown>): void {
    this.told.push(`costs ${costs.size}`);
  }

  setKnobs(): void {}

  save(): unknown {
    return { ticks: this.told.length };
  }

  status() {
    return { mode: "steering" as const, backlog: this.#fresh.length, advice: null };
  }
}
