/** What PostgreSQL's lexer tells apart, roughly: nothing here depends on the text being SQL at all. */
const token =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[eE]'(?:[^'\\]|''|\\[\s\S])*(?:'|$)|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|$)|\$([A-Za-z_]\w*)?\$[\s\S]*?(?:\$\1\$|$)|"(?:[^"]|"")*(?:"|$)|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\$\d+|\d[\w.]*|\s+|[\s\S]/g;

/**
 * Any text without what looks like comments and constants, in time proportional to its length: to tell statements apart
 * that the parser does not take. A constant may be overlooked in it: it is to be hashed, not to be kept.
 */
export function withoutConstants(text: string): string {
  const words: string[] = [];
  for (const [word] of text.matchAll(token)) {
    if (/^(--|\/\*|\s)/.test(word)) continue;
    if (/^(\$|\d|(?:[eEbBxXnN]|[uU]&)?')/.test(word)) words.push("?");
    else words.push(word.startsWith('"') ? word : word.toLowerCase());
  }
  return joinWords(words);
}

/** Words of SQL with `?` for constants as a line in which lists are as long as one item. */
export function joinWords(words: readonly string[]): string {
  return words
    .join(" ")
    .replaceAll(/ ?([(.]) ?| (?=[),;])/g, "$1")
    .replaceAll(/[-+] \?/g, "?")
    .replaceAll(/\?(?:, \?)+/g, "?")
    .replaceAll(/(\(\?\))(?:, ?\(\?\))+/g, "$1");
}
