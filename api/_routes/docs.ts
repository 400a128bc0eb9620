import type { App } from "../_http/app.ts";
import { docsPage } from "../_http/docs-page.ts";
import { openApiDocument } from "../_http/openapi.ts";

const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/** The API's description of itself, for programs and for people; no key needed. */
export function docsRoutes(app: App): void {
  let made: ReturnType<typeof openApiDocument> | undefined;
  // Made at the first request, when every route is mounted, and once: anybody may ask for it.
  const document = () => (made ??= openApiDocument(app));
  app.get("/openapi.json", (c) => {
    c.set("route", "/openapi.json");
    return c.json(document());
  });
  app.get("/docs", (c) => {
    c.set("route", "/docs");
    return c.html(docsPage(document()), 200, { "content-security-policy": PAGE_POLICY });
  });
}
