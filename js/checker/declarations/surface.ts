// What a program finds here: names of globals and of members. `mcp-conductor run surface.ts`
const own = (of: object) => Object.getOwnPropertyNames(of).sort();
const members = (of: object) => {
  const found: Record<string, string[]> = {};
  for (const name of own(of)) {
    const value = Reflect.get(of, name);
    if (Object(value) !== value) continue;
    found[name] = own(value);
    if (Object(value.prototype) === value.prototype) found[`${name}.prototype`] = own(value.prototype);
  }
  return found;
};
export default {
  globals: own(globalThis),
  deno: own(Deno),
  members: { ...members(globalThis), ...members(Intl) },
};
