// What node:http takes of deno_net: nothing listens here.

(function () {
  const { TypeError } = __bootstrap.primordials;
  return {
    listen() {
      throw new TypeError("Programs cannot listen for connections");
    },
  };
})();
