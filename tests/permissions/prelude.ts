const D: any = Deno;
const t = async (f: () => unknown) => {
  try {
    const value = await f();
    return value === undefined ? "done" : value;
  } catch (e: any) {
    return `${e}` + (e.code ? ` [${e.code}]` : "");
  }
};
// Both forms of a function, one after the other, each on names of its own: * is a or
// s. One value if they agree.
const both = async (name: string, ...args: unknown[]) => {
  const own = (x: string) => (arg: unknown) =>
    typeof arg === "string" ? arg.replaceAll("*", x) : arg;
  const told = async (x: string, name: string) => {
    const value = await t(() => D[name](...args.map(own(x))));
    if (typeof value !== "string") return value;
    return args.reduce((v: any, arg) => v.replaceAll(`'${own(x)(arg)}'`, `'${arg}'`), value);
  };
  const a = await told("a", name), s = await told("s", name + "Sync");
  return JSON.stringify(a) === JSON.stringify(s) ? a : [a, s];
};
// Of both files: of the asynchronous form, and of the other.
const pair = <T>(name: string, f: (path: string) => T) => {
  const [a, s] = [f(name.replace("*", "a")), f(name.replace("*", "s"))];
  return JSON.stringify(a) === JSON.stringify(s) ? a : [a, s];
};
const read = (name: string) => pair(name, Deno.readTextFileSync);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);
