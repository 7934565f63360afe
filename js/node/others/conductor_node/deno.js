// `Deno` as the scripts for node: have it, filled by ops/deno.js: what a program does to
// its own Deno is not theirs to see.

(function () {
  return { __proto__: null };
})();
