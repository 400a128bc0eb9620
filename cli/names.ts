/** The names in a comma-separated option; none where it is left out. */
export const namesIn = (text = ""): string[] =>
  text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
