// node:url: what Deno's script of that name returns.

import { core } from "ext:core/mod.js";
const exported = core.loadExtScript("ext:deno_node/url.ts");

export default exported.default ?? exported;
export const {
  URL, URLSearchParams, Url, domainToASCII, domainToUnicode, fileURLToPath,
  fileURLToPathBuffer, format, parse, pathToFileURL, resolve, resolveObject, urlToHttpOptions,
} = exported;
