import { ServiceError } from "../../services/errors.ts";
import type { App } from "./app.ts";
import { problemResponse } from "./problems.ts";

/** Answers 405 with Allow where a path exists but not for this method. Call it after every route is mounted. */
export function refuseOtherMethods(app: App): void {
  const allowed = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    if (method === "ALL") continue;
    allowed.set(path, (allowed.get(path) ?? new Set()).add(method));
  }
  for (const [path, methods] of allowed) {
    // Hono answers HEAD wherever it answers GET.
    if (methods.has("GET")) methods.add("HEAD");
    const allow = [...methods].toSorted().join(", ");
    const route = path.replace(/^\/api/, "");
    app.all(route, (c) => {
      c.set("route", route);
      const detail = `This route answers ${allow}.`;
      const response = problemResponse(new ServiceError("method_not_allowed", detail), c.get("requestId"));
      response.headers.set("allow", allow);
      return response;
    });
  }
}
