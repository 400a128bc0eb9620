import dns from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { DeliveryError } from "./delivery.ts";
import { isPublicAddress } from "./public-address.ts";

const ADDRESS_REFUSED = "the address is private";

/**
 * The URL that a webhook may be sent to: https, no user name or password, and where its host is a numeric address (the
 * URL standard turns decimal, octal and hexadecimal ones into the dotted form) a public one. `allowPrivate` lifts all
 * but the second, and allows http. Throws a DeliveryError.
 */
export function webhookTarget(text: string, allowPrivate: boolean): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url) throw new DeliveryError("the URL is not valid");
  if (url.protocol !== "https:" && !(allowPrivate && url.protocol === "http:"))
    throw new DeliveryError("the URL does not begin with https");
  if (url.username !== "" || url.password !== "")
    throw new DeliveryError("the URL holds a user name or a password");
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  // Node looks up no numeric address, so this is the only place where it can be refused.
  if (!allowPrivate && isIP(host) !== 0 && !isPublicAddress(host)) throw new DeliveryError(ADDRESS_REFUSED);
  return url;
}

/**
 * A look-up for node:http, which connects to exactly what it answers: nobody can answer the check with one address and
 * the connection with another. A host with a single private address is refused, whatever its others are.
 */
export function publicLookup(lookup: LookupFunction = dns.lookup): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, []);
      const addresses = Array.isArray(found) ? found : [];
      const [first] = addresses;
      if (!first || !addresses.every(({ address }) => isPublicAddress(address)))
        return callback(new DeliveryError(ADDRESS_REFUSED), []);
      if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}
