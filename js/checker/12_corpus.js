"use strict";
// Fragments of programs for the warm-up, right ones and wrong ones, as models write them. $a, $b
// and $c are names, $n a number, $s a text; a backtick or ${ has a backslash before it.

const FRAGMENTS = String.raw`
const { things: $a, total: $b } = await shop.searchThings({ query: "$s", limit: $n });
if ($b === 0) return "nothing";
const $c = $a.map((t) => t.name);
----
const $a = await shop.getThing({ id: "$s" });
const $b = $a.thing?.size ? $a.thing.size.width * $a.thing.size.height : $n;
console.log($b, $a.thing.name);
----
const $a = {};
for (const $b of ["new", "old"]) {
  const { things } = await shop.searchThings({ query: "$s", sort: $b });
  $a[$b] = things.length;
}
----
const $a = rows.reduce((acc, r) => {
  (acc[r.$s] = acc[r.$s] || []).push(r);
  return acc;
}, {});
const $b = Object.keys($a).map((k) => ({ k, n: $a[k].length })).sort((x, y) => y.n - x.n);
----
let $a = null;
const { things: $b } = await shop.searchThings({ query: "" });
$b.forEach((t) => { if ($a === null || t.price.amount > $a.price.amount) $a = t; });
if ($a) console.log($a.name);
----
const $a = new Map<string, number>();
for (const w of "$s b $s".split(" ")) $a.set(w, ($a.get(w) ?? 0) + 1);
const $b = [...$a.entries()].sort((x, y) => y[1] - x[1]).slice(0, 3);
----
const $a = await Promise.all([1, 2, $n].map(async (n) => {
  try {
    const res = await fetch("https://example.com/" + n, { headers: { accept: "application/json" }, signal: AbortSignal.timeout($n) });
    if (!res.ok) return { n, error: res.status };
    return { n, body: await res.json() };
  } catch (e) {
    return { n, error: e.message };
  }
}));
const $b = $a.filter((r) => r.error).length;
----
interface $a { id: string; count: number; label?: string }
const $b: $a[] = JSON.parse("[]");
const $c = $b.filter((x) => x.label).map((x) => x.label.toUpperCase());
----
class $a<T extends { id: string }> {
  #items = new Map<string, T>();
  add(item: T): this { this.#items.set(item.id, item); return this; }
  get(id: string): T | undefined { return this.#items.get(id); }
  get size() { return this.#items.size; }
}
const $b = new $a<{ id: string; v: number }>().add({ id: "a", v: $n });
const $c = $b.get("a")?.v;
----
class $a {
  constructor(items) { this.items = items; this.log = []; }
  add(item, n) { this.items.push(item); this.log.push(n || 1); return this; }
}
const $b = new $a([]).add("$s");
$b.extra = true;
----
type $a = { kind: "circle"; r: number } | { kind: "rect"; w: number; h: number };
const $b = (s: $a): number => {
  switch (s.kind) {
    case "circle": return Math.PI * s.r ** 2;
    case "rect": return s.w * s.h;
  }
};
const $c = [{ kind: "rect", w: 1, h: $n } as $a].map($b);
----
await Deno.mkdir("$s", { recursive: true });
await Deno.writeTextFile("$s/$a.json", JSON.stringify({ $a: $n }, null, 2));
const $b = JSON.parse(await Deno.readTextFile("$s/$a.json"));
for await (const e of Deno.readDir("$s")) console.log(e.name, e.isFile, (await Deno.stat("$s/" + e.name)).size);
----
const $a = new Date("2026-01-01"), $b = new Date();
const $c = Math.round(($b - $a) / 86_400_000);
console.log($b.toISOString().slice(0, 10), $b > $a);
----
const $a = "2026-01-05 ERROR $s 91%".match(/(?<date>\S+) (?<level>[A-Z]+) (?<what>\w+) (?<pct>\d+)%/);
const $b = $a ? { ...$a.groups, pct: Number($a.groups.pct) } : null;
const $c = [..."a1b2".matchAll(/[a-z](\d)/g)].map((m) => m[1]);
----
const $a = (id: string, { limit = $n, verbose = false }: { limit?: number; verbose?: boolean } = {}) => {
  if (verbose) console.warn(id);
  return Array.from({ length: limit }, (_, i) => id + i);
};
const $b = $a("x", { limit: 3 }).flatMap((x) => [x, x + "!"]);
----
async function* $a(max: number) {
  for (let i = 0; i < max; i++) yield { i, at: Date.now() };
}
let $b = 0;
for await (const { i } of $a($n)) $b += i;
----
const $a = new URL("/search?q=$s", "https://example.com");
$a.searchParams.append("page", String($n));
const $b = Object.fromEntries($a.searchParams.entries());
const $c = new TextDecoder().decode(new TextEncoder().encode($a.href));
----
const $a = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("$s"));
const $b = [...new Uint8Array($a)].map((b) => b.toString(16).padStart(2, "0")).join("");
----
const $a = await callTool("shop", "search_things", { query: "$s" });
const $b = await callMCPTool("mcp__shop__get_thing", { id: $a.things[0].id });
console.log($b.thing?.status === "open");
----
const $a = await mcpFactory.load("shop");
const $b = await $a.callTool("get_thing", { id: "$s" });
const $c = (await $a.listTools()).map((t) => t.name);
----
const $a = { retries: config.retries ?? 3, label: config.label || "$s", ...config };
const $b = Object.entries($a).filter(([k, v]) => typeof v === "string").map(([k]) => k);
----
enum $a { Low = 1, High = $n }
const $b: Record<keyof typeof $a, number> = { Low: 1, High: 2 };
function $c(x: $a = $a.Low): string { return $a[x]; }
----
const $a = [3, 1, 2].toSorted((x, y) => x - y).at(-1);
const $b = Object.groupBy(rows, (r) => r.kind);
const $c = new Set([1, 2]).union(new Set([$n]));
----
function $a<T, K extends PropertyKey>(xs: T[], f: (x: T) => K) {
  return xs.reduce((acc, x) => { (acc[f(x)] ??= []).push(x); return acc; }, {} as Record<K, T[]>);
}
const $b = $a([1, 2, $n], (n) => (n % 2 ? "odd" : "even"));
----
const $a = (e: unknown): e is Error => e instanceof Error;
try { JSON.parse("{$s"); } catch (err) { if ($a(err)) console.error(err.message, err.stack); }
----
const $a = new Intl.NumberFormat("en-US", { style: "currency", currency: "EUR" }).format($n);
const $b = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", dateStyle: "medium" }).format(new Date());
----
const $a = new ReadableStream({ start(c) { c.enqueue("$s"); c.close(); } });
let $b = "";
for await (const chunk of $a) $b += chunk;
----
const $a = await new Promise((resolve, reject) => setTimeout(() => resolve($n), 1));
const $b = await Promise.allSettled([Promise.resolve($a), Promise.reject(new Error("$s"))]);
const $c = $b.filter((r) => r.status === "fulfilled").map((r) => r.value);
----
const $a: Partial<Record<"x" | "y", number[]>> = {};
$a.x = [$n];
const $b = Object.values($a).flat().reduce((s, v) => s + v, 0);
----
const $a = await Deno.open("$s.txt", { read: true });
const $b = new Uint8Array($n);
await $a.read($b);
$a.close();
----
let $a = $n, $b = "";
while ($a > 0) { $b = ($a % 2) + $b; $a = Math.floor($a / 2); }
do { $a++; } while ($a < 3);
label: for (const x of [1]) { for (const y of [2]) if (x === y) continue label; }
----
const [$a, ...$b] = "$s".split("-");
const { length: $c = 0, ...rest$a } = { length: $n, other: true };
----
const $a = await session.get("$s");
await session.set("$s", { n: $n });
const $b = await searchTools("$s", 5);
----
const $a = new FormData();
$a.append("file", new File(["x"], "$s.txt", { type: "text/plain" }));
const $b = await new Response($a).text();
----
const $a = \`\${$n}: \${"$s".padEnd(10)} \${[1, 2].join(", ")}\`;
const $b = $a.replaceAll("a", "b").trim().toUpperCase().includes("X") ? $a.length : undefined;
----
const $a = [["a", 1], ["b", $n]] as const;
const $b = Object.fromEntries($a);
const $c = new Map($a.map(([k, v]) => [k, v * 2]));
----
const $a = structuredClone({ at: new Date(0), set: new Set([1]), nested: { deep: [{ x: $n }] } });
const $b = $a.nested.deep.find((d) => d.x > 1)?.x ?? 0;
delete $a.nested;
----
const $a = new Deno.Command("git", { args: ["log", "-$n"], stdout: "piped" });
const { code: $b, stdout: $c } = await $a.output();
console.log($b, new TextDecoder().decode($c));
----
const $a = Temporal.Now.instant().toString();
const $b = JSON.stringify(rows, (k, v) => (typeof v === "bigint" ? v.toString() : v), 2);
----
abstract class $a { abstract area(): number; toString() { return "" + this.area(); } }
class $b extends $a { constructor(private r: number, readonly name = "$s") { super(); } area() { return this.r ** 2; } static of(r: number) { return new $b(r); } }
const $c = [$b.of($n)].map(String);
----
const { things: $a } = await shop.searchThings({ query: "$s", maximum: $n });
----
await shop.updateThing({ id: "$s", delta: "$n" });
----
const $a = await shop.serchThings({ query: "$s" });
----
const $a = await shop.searchThings({ query: "$s" });
const $b = $a.data.items.map((x) => x.title);
----
const { things: $a } = await shop.searchThings({ query: "$s" });
$a.sort((x, y) => x.price - y.price);
const $b = $a.reduce((s, t) => s + t.price.value, 0);
----
const $a = shop.searchThings({ query: "$s" });
const $b = $a.things.length;
----
const $a = await shop.getThing();
const $b = await shop.getThing({ id: null });
----
const $a = unknown$b.filter((x) => x > $n);
const $c = rowz.length;
----
const $a = 0;
for (const n of [1, 2, $n]) $a += n;
----
const $a = Deno.readTextFileAsync("$s");
const $b = new Map().length;
----
const { thing: $a } = await shop.getThing({ id: "$s" });
if ($a.status === "finished") console.log("$s");
const $b = $a.createdAt - Date.now();
----
const $a: number = "$s".length > 2 ? "many" : $n;
const $b: { x: string; y?: number } = { x: "a", z: 1 };
----
const $a = await callTool("shop", "get_thing", { thingId: "$s" });
await callMCPTool("mcp__shop__find_things", {});
----
await shop.updateThing({ id: "$s", delta: 1, reason: "lost", items: ["a"].map((id) => ({ id, qty: $n })) });
----
import { readFile as $a } from "node:fs/promises";
const $b = await $a("$s", "utf8");
----
const $a = rows.map((r) => r.id).filter(Boolean);
const $b = await shop.listThings({ ids: $a, filter: { $s: true } });
return { $a, $b, ok: $b.items?.length ?? 0 };
`.replace(/\\([`$])/g, "$1").split("\n----\n");
