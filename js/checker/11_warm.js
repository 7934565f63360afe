"use strict";
let done = 0;
const TOTAL = 0;
function warmUp(count) {
  done += count;
  return done < TOTAL;
}
