// The ops as the scripts of Deno's crates get them: a table of its own, which
// only such a script is given.

(function () {
  return __bootstrap.core.ops;
})();
