/** The standard normal law and the moments of what truncates it. */

// Looked up once: through the global object it costs more than the arithmetic where modules run in a vm context.
const math = Math;

const rootTwoPi = math.sqrt(2 * math.PI);

export function density(x: number): number {
  return math.exp(-0.5 * x * x) / rootTwoPi;
}

/** P(X <= x), relative error below 1.2e-7 in both tails (the erfc of Press et al., Numerical Recipes, 6.2). */
export function cumulative(x: number): number {
  const z = math.abs(x) / math.SQRT2;
  const t = 1 / (1 + 0.5 * z);
  let s = 0.17087277;
  s = -0.82215223 + t * s;
  s = 1.48851587 + t * s;
  s = -1.13520398 + t * s;
  s = 0.27886807 + t * s;
  s = -0.18628806 + t * s;
  s = 0.09678418 + t * s;
  s = 0.37409196 + t * s;
  s = 1.00002368 + t * s;
  const tail = 0.5 * t * math.exp(-z * z - 1.26551223 + t * s);
  return x > 0 ? 1 - tail : tail;
}

/** A weighted law by its mass, mean and variance; written in place, so that hot loops allocate nothing. */
export interface Moments {
  mass: number;
  mean: number;
  variance: number;
}

/**
 * N(mean, sd^2) cut to [low, high] (Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 13.10.1).
 * Further than 6 sd outside, the cut law is taken as sitting at the nearest bound.
 */
export function truncate(mean: number, sd: number, low: number, high: number, out: Moments): void {
  const a = (low - mean) / sd;
  const b = (high - mean) / sd;
  // Both cumulatives from the lower tail, where they are precise.
  const flip = a > 0;
  const from = flip ? -b : a;
  const to = flip ? -a : b;
  const mass = cumulative(to) - cumulative(from);
  if (a > 6 || b < -6 || mass < 1e-12) {
    const nearest = a > 0 ? a : b;
    const inside = math.min(sd / math.abs(nearest || 1), (high - low) / 2);
    out.mass = math.max(density(nearest) / math.max(1, math.abs(nearest)), 1e-300);
    out.mean = a > 0 ? low + inside : high - inside;
    out.variance = inside * inside;
    return;
  }
  const atA = a > -40 ? density(a) : 0;
  const atB = b < 40 ? density(b) : 0;
  const shift = (atA - atB) / mass;
  out.mass = mass;
  out.mean = mean + sd * shift;
  const edges = ((a > -40 ? a * atA : 0) - (b < 40 ? b * atB : 0)) / mass;
  out.variance = sd * sd * math.max(1 + edges - shift * shift, 1e-6);
}

/** Density of N(mean, variance) seen at `x` with variance `noise`; what is then believed is left in `out`. */
export function observe(mean: number, variance: number, x: number, noise: number, out: Moments): number {
  const spread = variance + noise;
  out.mean = mean + (variance / spread) * (x - mean);
  out.variance = (variance * noise) / spread;
  out.mass = density((x - mean) / math.sqrt(spread)) / math.sqrt(spread);
  return out.mass;
}

/** The sum of laws: add each by `add`, then read the whole's moments by `into`. */
export class Mixture {
  #mass = 0;
  #first = 0;
  #second = 0;
  #origin = 0;

  /** `origin`: any point near the laws' means, so that second moments lose no digits. */
  reset(origin: number): void {
    this.#mass = 0;
    this.#first = 0;
    this.#second = 0;
    this.#origin = origin;
  }

  add(mass: number, mean: number, variance: number): void {
    const at = mean - this.#origin;
    this.#mass += mass;
    this.#first += mass * at;
    this.#second += mass * (variance + at * at);
  }

  into(out: Moments): void {
    const mean = this.#first / this.#mass;
    out.mass = this.#mass;
    out.mean = this.#origin + mean;
    out.variance = math.max(this.#second / this.#mass - mean * mean, 0);
  }
}
