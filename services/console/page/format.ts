/** Numbers and times for people. */
const none = "–";

export function formatCount(value: number | null | undefined): string {
  return value === null || value === undefined ? none : Math.round(value).toLocaleString("en");
}

export function formatShare(value: number | null | undefined, digits = 0): string {
  if (value === null || value === undefined) return none;
  // 100% is said only where nothing is missing.
  const percent = 100 * value;
  const shown = Math.floor(percent * 10 ** digits + 1e-9) / 10 ** digits;
  return `${shown.toFixed(digits)} %`;
}

export function formatSeconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return none;
  if (value >= 120) return formatDuration(value);
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} s`;
}

export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  if (whole < 7_200) return `${Math.round(whole / 60)} min`;
  if (whole < 172_800) return `${Math.round(whole / 3_600)} h`;
  return `${Math.round(whole / 86_400)} days`;
}

export function formatAge(ms: number | null | undefined, now: number): string {
  return ms === null || ms === undefined || ms === 0 ? none : `${formatDuration((now - ms) / 1_000)} ago`;
}

export function formatTime(ms: number): string {
  return new Date(ms).toLocaleTimeString("en-GB");
}

export function formatDateTime(ms: number): string {
  const at = new Date(ms);
  return `${at.toLocaleDateString("sv-SE")} ${at.toLocaleTimeString("en-GB")}`;
}

/** With milliseconds, to tell ticks apart. */
export function formatMoment(ms: number): string {
  return `${formatDateTime(ms)}.${String(new Date(ms).getMilliseconds()).padStart(3, "0")}`;
}

export function formatBytes(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
