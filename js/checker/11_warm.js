"use strict";
// The warm-up: V8 compiles what runs often, so that a fork begins with a compiler that has been
// compiled. Each program is different, as callers' are: one program again and again would
// warm the ways that it takes, and no others.

// Measured: a check takes 11 ms at first, 4 after 300 programs and 2.4 after 700.
const WARM_UP = 600;
const FRAGMENTS_IN_PROGRAM = 4;
let warmed = 0;

// What the corpus' programs call; the names and types of a tool are different each time.
const WARM_MODULE = `
export function searchThings(args: { query: string; limit?: number; sort?: "new" | "old" }): Promise<{ things: { id: string; name: string; price: { amount: number; currency: "EUR" | "USD" }; tags: string[]; rating?: number; owner: string | null }[]; total: number; next: string | null }>;
export function getThing(args: { id: string }): Promise<{ thing: { id: string; name: string; size?: { width: number; height: number }; status: "open" | "closed"; createdAt: string } | null }>;
export function updateThing(args: { id: string; delta: number; reason: "lost" | "found"; items?: { id: string; quantity: number }[]; note?: string | null }): Promise<{ stock: number }>;
export function listThings(args?: Record<string, any>): Promise<any>;
export { searchThings as search_things, getThing as get_thing, updateThing as "update-thing" };
declare const tools: { "search_things": typeof searchThings; "get_thing": typeof getThing; "update-thing": typeof updateThing; "list_things": typeof listThings };
export default tools;
`;

// A generator of numbers that is the same in each zygote (Lehmer, MINSTD).
function numbers(seed) {
  let state = seed * 48271 % 2147483647 || 1;
  return (below) => {
    state = state * 48271 % 2147483647;
    return state % below;
  };
}

const WORDS = "row item entry order user note task file page point total count list result data "
  + "value group key name report summary batch chunk event message record line text";

function warmProgram(at) {
  const random = numbers(at + 1);
  const words = WORDS.split(" ");
  const lines = ['import * as shop from "mcp:shop";'];
  for (let i = 0; i < FRAGMENTS_IN_PROGRAM; i++) {
    // Each fragment has its turn; its names are this program's.
    const fragment = FRAGMENTS[(at * FRAGMENTS_IN_PROGRAM + i * (1 + at % 7)) % FRAGMENTS.length];
    const named = (letter) => `${words[random(words.length)]}${letter}${i}`;
    const names = { a: named("A"), b: named("B"), c: named("C"), n: random(1000), s: named("s") };
    lines.push(fragment.replace(/\$([abcns])/g, (_, key) => String(names[key])));
  }
  return lines.join("\n");
}

function warmRequest(at) {
  return JSON.stringify({
    text: warmProgram(at),
    globals: ["rows", "config"],
    modules: [{ specifier: "mcp:shop", server: "shop", kind: "dts", text: WARM_MODULE }],
    servers: ["shop", "files"],
    tools: { shop: ["search_things", "get_thing", "update-thing", "list_things"] },
    factory: true,
    open: true,
  });
}

// Checks so many more; whether there are others.
function warmUp(count) {
  for (let i = 0; i < count && warmed < WARM_UP; i++) check(warmRequest(warmed++));
  return warmed < WARM_UP;
}
