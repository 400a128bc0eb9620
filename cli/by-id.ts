import { ServiceError, invalidField } from "../services/errors.ts";
import { uuid } from "../services/inputs.ts";

interface Kind {
  /** One of them: `key`. */
  what: string;
  /** The command that shows their ids. */
  listedBy: string;
}

/** Acts on what the argument `<id>` names. Refuses what is no id, or nothing's, and says where ids are shown. */
export async function byId<T>(
  { what, listedBy }: Kind,
  text: string,
  act: (id: string) => Promise<T>,
): Promise<T> {
  const id = uuid.safeParse(text);
  if (!id.success) throw invalidField("id", "invalid_format", `must be a UUID, as ${listedBy} shows it`);
  try {
    return await act(id.data);
  } catch (error) {
    // The service's own words are for callers with a key, and here is none.
    if (!(error instanceof ServiceError) || error.code !== "not_found") throw error;
    throw new ServiceError("not_found", `There is no ${what} with this id: look with ${listedBy}`);
  }
}
