// Loaded into the API process before its own code: answers each message of the parent with its memory after a full
// garbage collection. An inspector would do, too, but changes what it looks at.
process.on("message", () => {
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  process.send?.({ rss, heapUsed });
});
