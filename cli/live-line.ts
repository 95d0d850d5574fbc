/** One line at the bottom of the terminal that is written anew; on anything else a line now and then. */
const plainIntervalMs = 10_000;

export interface LiveLine {
  /** Shows the line. */
  show(text: string): void;
  /** Prints a line that stays. */
  say(text: string): void;
  clear(): void;
}

export function createLiveLine(output: NodeJS.WriteStream, monotonic: () => number): LiveLine {
  if (!output.isTTY) {
    let lastShown = Number.NEGATIVE_INFINITY;
    const say = (text: string) => void output.write(`${text}\n`);
    return {
      show(text) {
        if (monotonic() - lastShown < plainIntervalMs) return;
        lastShown = monotonic();
        say(text);
      },
      say,
      clear() {},
    };
  }
  let shown = "";
  const draw = () => output.write(`\r\u001b[K${shown.slice(0, (output.columns || 80) - 1)}`);
  return {
    show(text) {
      shown = text;
      draw();
    },
    say(text) {
      output.write(`\r\u001b[K${text}\n`);
      draw();
    },
    clear() {
      if (shown) output.write("\r\u001b[K");
      shown = "";
    },
  };
}
