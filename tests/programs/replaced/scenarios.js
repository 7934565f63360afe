// Every API that the sandbox offers, each used once: name, and what to do.
const bytes = (text) => new TextEncoder().encode(text);
const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
const attempt = async (f) => {
  try {
    return await f();
  } catch (error) {
    return error;
  }
};
const cb = (f) => mine(f);

const scenarios = {
  // Files.
  textFiles: async () => {
    await Deno.writeTextFile("sweep.txt", "text", { append: false, create: true, mode: 0o600 });
    Deno.writeTextFileSync("sweep.txt", "more", { append: true });
    return [await Deno.readTextFile("sweep.txt"), Deno.readTextFileSync("sweep.txt")];
  },
  byteFiles: async () => {
    await Deno.writeFile("sweep.bin", new Uint8Array(70_000));
    Deno.writeFileSync("sweep.bin", new Uint8Array([1, 2]));
    await Deno.writeFile("sweep.bin", new Blob(["streamed"]).stream());
    await Deno.writeFile("sweep.bin", bytes("x"), { signal: new AbortController().signal });
    return [await Deno.readFile("sweep.bin"), Deno.readFileSync("sweep.bin")];
  },
  openFile: async () => {
    const file = await Deno.open("sweep.open", { read: true, write: true, create: true });
    await file.write(bytes("hello"));
    file.writeSync(bytes("world"));
    await file.seek(0, Deno.SeekMode.Start);
    file.seekSync(1, Deno.SeekMode.Start);
    const read = await file.read(new Uint8Array(3));
    file.readSync(new Uint8Array(3));
    await file.truncate(4);
    file.truncateSync(3);
    const stat = [await file.stat(), file.statSync()];
    await file.sync();
    file.syncSync();
    await file.syncData();
    file.syncDataSync();
    await file.utime(1, new Date(2));
    file.utimeSync(1, 2);
    await attempt(() => file.lock());
    file.isTerminal();
    file.close();
    return [file, read, stat];
  },
  fileStreams: async () => {
    const source = await Deno.create("sweep.stream");
    const writer = source.writable.getWriter();
    await writer.write(bytes("streamed"));
    await writer.close();
    const file = await Deno.open("sweep.stream");
    const parts = [];
    for await (const part of file.readable) parts[parts.length] = part;
    const again = Deno.openSync("sweep.stream");
    await again.readable.cancel();
    return parts;
  },
  directories: async () => {
    await attempt(() => Deno.remove("sweep.d", { recursive: true }));
    await Deno.mkdir("sweep.d/a/b", { recursive: true });
    Deno.mkdirSync("sweep.d/c");
    await Deno.writeTextFile("sweep.d/f", "");
    const names = [];
    for await (const entry of Deno.readDir("sweep.d")) names[names.length] = entry;
    for (const entry of Deno.readDirSync("sweep.d")) names[names.length] = entry;
    await Deno.symlink("f", "sweep.d/l");
    await Deno.link("sweep.d/f", "sweep.d/h");
    await Deno.rename("sweep.d/h", "sweep.d/i");
    await Deno.copyFile("sweep.d/f", "sweep.d/j");
    await Deno.chmod("sweep.d/j", 0o600);
    await Deno.utime("sweep.d/j", 1, 2);
    await Deno.truncate("sweep.d/j", 0);
    const about = [await Deno.stat("sweep.d/f"), await Deno.lstat("sweep.d/l"), Deno.statSync("sweep.d/f"),
      Deno.lstatSync("sweep.d/l"), await Deno.readLink("sweep.d/l"), Deno.realPathSync("sweep.d"),
      await Deno.realPath("sweep.d")];
    await Deno.remove("sweep.d", { recursive: true });
    return [names, about];
  },
  directoriesSync: () => {
    const d = Deno.makeTempDirSync({ dir: ".", prefix: "s", suffix: "x" });
    Deno.writeTextFileSync(d + "/f", "");
    Deno.symlinkSync("f", d + "/l");
    Deno.linkSync(d + "/f", d + "/h");
    Deno.renameSync(d + "/h", d + "/i");
    Deno.copyFileSync(d + "/f", d + "/j");
    Deno.chmodSync(d + "/j", 0o600);
    Deno.utimeSync(d + "/j", 1, 2);
    Deno.truncateSync(d + "/j", 0);
    const link = Deno.readLinkSync(d + "/l");
    Deno.removeSync(d, { recursive: true });
    return link;
  },
  temporary: async () => {
    const names = [await Deno.makeTempFile({ dir: "." }), Deno.makeTempFileSync({ dir: "." }),
      await Deno.makeTempDir({ dir: "." })];
    for (let i = 0; i < 3; i++) await Deno.remove(names[i]);
    Deno.chdir(".");
    return Deno.cwd();
  },
  fileErrors: async () => [
    await attempt(() => Deno.readTextFile("/etc/shadow")),
    await attempt(() => Deno.readTextFileSync("nowhere")),
    await attempt(() => Deno.open("nowhere")),
    await attempt(() => Deno.open("x", { read: false })),
    await attempt(() => Deno.mkdir(".")),
    await attempt(() => Deno.umask()),
    await attempt(() => Deno.chown("x", 1, 1)),
    await attempt(() => Deno.stat(new URL("file:///etc"))),
    await attempt(() => Deno.readTextFile("x", { signal: AbortSignal.abort() })),
    await attempt(() => new Deno.FsFile(3)),
  ],
  standardStreams: async () => {
    await Deno.stdout.write(new Uint8Array());
    Deno.stderr.writeSync(new Uint8Array());
    await Deno.stdin.read(new Uint8Array(1));
    const writer = Deno.stdout.writable.getWriter();
    await writer.write(new Uint8Array());
    writer.releaseLock();
    return [Deno.stdin.readable, Deno.stdout.isTerminal()];
  },
  // Fetch and its classes.
  fetchData: async () => {
    const response = await fetch("data:text/plain,hello");
    const copy = response.clone();
    const reader = copy.body.getReader();
    const first = await reader.read();
    const json = await (await fetch(new Request("data:application/json,{}"))).json();
    const blob = await (await fetch("data:,x", { signal: new AbortController().signal })).blob();
    const buffer = await (await fetch("data:,x")).arrayBuffer();
    const eight = await (await fetch("data:,x")).bytes();
    await (await fetch("data:,x")).body.cancel();
    return [response, await response.text(), first, json, blob, buffer, eight, [...response.headers]];
  },
  fetchErrors: async () => [
    await attempt(() => fetch("http://nowhere.invalid/")),
    await attempt(() => fetch("http://nowhere.invalid/", { method: "POST", body: "x", headers: { a: "b" } })),
    await attempt(() => fetch("http://nowhere.invalid/", { method: "POST", body: new Blob(["x"]).stream() })),
    await attempt(() => fetch("data:,x", { signal: AbortSignal.abort() })),
    await attempt(() => fetch("data:")),
    await attempt(() => fetch("blob:null/1")),
    await attempt(() => fetch(":")),
    await attempt(() => fetch("http://nowhere.invalid/", { client: {} })),
  ],
  fetchAborted: async () => {
    const controller = new AbortController();
    const pending = fetch("http://nowhere.invalid/", { signal: controller.signal });
    controller.abort();
    return [await attempt(() => pending)];
  },
  responses: async () => {
    const stream = new Response(new Blob(["x"]).stream());
    return [Response.json({ a: 1 }), Response.error(), Response.redirect("http://a/"),
      new Response(new URLSearchParams("a=b")), await stream.clone().text(), await stream.arrayBuffer(),
      await new Response("a=b", { headers: { "content-type": "application/x-www-form-urlencoded" } }).formData(),
      await attempt(() => new Response("x").json()), await new Response(async function* () {
        yield bytes("x");
      }()).text(), new Response("x", { status: 201, statusText: "y", headers: [["a", "b"]] })];
  },
  requests: async () => {
    const request = new Request("http://a/", { method: "POST", body: "x", headers: new Headers({ a: "b" }) });
    const clone = request.clone();
    const other = new Request(request, { signal: new AbortController().signal });
    return [clone, await clone.text(), other.headers.get("a"), new Request("http://a/", other), request.signal,
      await attempt(() => new Request("x", { method: "TRACE" }))];
  },
  headers: () => {
    const headers = new Headers([["a", "b"], ["set-cookie", "c"]]);
    headers.append("a", "d");
    headers.set("e", "f");
    headers.delete("e");
    headers.forEach(cb(() => {}));
    return [headers.get("a"), headers.has("a"), headers.getSetCookie(), [...headers], [...headers.keys()],
      [...headers.values()], new Headers({ x: "y" })];
  },
  forms: async () => {
    const form = new FormData();
    form.append("a", "b");
    form.set("f", new File(["x"], "f.txt"));
    form.append("g", new Blob(["y"]), "g.txt");
    form.forEach(cb(() => {}));
    const back = await new Response(form).formData();
    form.delete("a");
    return [back.get("a"), back.getAll("f"), [...back.keys()], [...form], await back.get("f").text()];
  },
  eventSource: async () => {
    const source = new EventSource("http://nowhere.invalid/");
    await new Later((done) => source.onerror = cb(done));
    source.close();
    return source.readyState;
  },
  // Streams.
  streams: async () => {
    const stream = new ReadableStream({ pull: cb((c) => (c.enqueue("x"), c.close())) }, { highWaterMark: 0 });
    const [a, b] = stream.tee();
    const all = [];
    for await (const part of a) all[all.length] = part;
    const reader = b.getReader();
    all[all.length] = await reader.read();
    await reader.closed;
    reader.releaseLock();
    return [all, stream.locked, await attempt(() => stream.getReader())];
  },
  byteStreams: async () => {
    const stream = new ReadableStream({
      type: "bytes",
      autoAllocateChunkSize: 4,
      pull: cb((c) => {
        if (c.byobRequest) {
          c.byobRequest.view[0] = 1;
          c.byobRequest.respond(1);
        } else c.enqueue(new Uint8Array(2));
      }),
    });
    const reader = stream.getReader({ mode: "byob" });
    const read = await reader.read(new Uint8Array(4));
    reader.releaseLock();
    const [a, b] = stream.tee();
    const plain = a.getReader();
    const second = await plain.read();
    await Later.all([plain.cancel(), b.cancel()]);
    return [read, second];
  },
  pipes: async () => {
    const got = [];
    await ReadableStream.from(["a", "b"])
      .pipeThrough(new TransformStream({
        start: cb(() => {}),
        transform: cb((chunk, c) => c.enqueue(chunk + "!")),
        flush: cb((c) => c.enqueue("end")),
      }))
      .pipeTo(new WritableStream({ write: cb((chunk) => void (got[got.length] = chunk)) }));
    const failed = ReadableStream.from(["a"]).pipeTo(new WritableStream({ write: cb(() => { throw 1 }) }));
    const aborted = new ReadableStream({}).pipeTo(new WritableStream(), { signal: AbortSignal.abort() });
    return [got, await attempt(() => failed), await attempt(() => aborted)];
  },
  writers: async () => {
    const stream = new WritableStream({ start: cb((c) => c.signal), write: cb(async () => {}), close: cb(() => {}),
      abort: cb(() => {}) }, new CountQueuingStrategy({ highWaterMark: 2 }));
    const writer = stream.getWriter();
    await writer.ready;
    writer.write(1);
    await writer.write(2);
    await writer.close();
    const other = new WritableStream({}, new ByteLengthQueuingStrategy({ highWaterMark: 2 }));
    await other.abort("why");
    return [await writer.closed, await attempt(() => other.close())];
  },
  asyncIteration: async () => {
    const stream = ReadableStream.from((async function* () { yield 1; yield 2 })());
    const values = stream.values({ preventCancel: true });
    const first = await values.next();
    await values.return();
    for await (const x of stream) { void x; break; }
    return [first, await attempt(() => ReadableStream.from(1)), [...await collect(ReadableStream.from([1]))]];
  },
  // Text, URLs, compression.
  text: async () => {
    const decoder = new TextDecoder("utf-16le", { fatal: true, ignoreBOM: true });
    const stream = new Response(bytes("é")).body.pipeThrough(new TextDecoderStream());
    const encoded = ReadableStream.from(["x"]).pipeThrough(new TextEncoderStream());
    return [decoder.decode(new Uint8Array([65, 0])), new TextEncoder().encodeInto("x", new Uint8Array(2)),
      await attempt(() => decoder.decode(new Uint8Array([0]))), await collect(stream), await collect(encoded),
      new TextDecoder("latin1").decode(bytes("x"), { stream: true }), atob(btoa("x")), await attempt(() => atob("%"))];
  },
  urls: async () => {
    const url = new URL("../b?x=1#h", "https://u:p@ex.com:8080/a/c");
    url.searchParams.append("y", "z");
    url.pathname = "/p";
    url.host = "h:1";
    url.hash = url.search = url.port = url.protocol = url.username = url.password = "";
    url.href = "http://x/";
    const params = new URLSearchParams({ a: "b" });
    params.sort();
    params.set("c", "d");
    params.delete("a");
    params.forEach(cb(() => {}));
    return [String(url), JSON.stringify(url), [...new URLSearchParams([["a", "b"]])], [...params.keys()],
      URL.canParse("x"), URL.parse("a:b"), await attempt(() => new URL("x")), new URLSearchParams("a=b").getAll("a"),
      URL.createObjectURL(new Blob(["x"])).length, params.size];
  },
  patterns: async () => {
    const pattern = new URLPattern({ pathname: "/users/:id(\\d+)" });
    return [pattern.test("https://a.b/users/7"), pattern.exec("https://a.b/users/7"), pattern.hasRegExpGroups,
      new URLPattern("/x/*", "https://a.b"), await attempt(() => new URLPattern("nope"))];
  },
  compression: async () => {
    const zipped = new Blob(["x"]).stream().pipeThrough(new CompressionStream("gzip"));
    const plain = zipped.pipeThrough(new DecompressionStream("gzip"));
    const broken = new Blob(["x"]).stream().pipeThrough(new DecompressionStream("deflate"));
    return [await collect(plain), await attempt(() => collect(broken))];
  },
  blobs: async () => {
    const blob = new Blob(["a", new Uint8Array([1]), new Blob(["b"])], { type: "text/plain", endings: "native" });
    const file = new File([blob], "f", { lastModified: 1 });
    const reader = new FileReader();
    await new Later((done) => {
      reader.onload = cb(done);
      reader.onprogress = cb(() => {});
      reader.readAsText(file);
    });
    const url = URL.createObjectURL(blob);
    URL.revokeObjectURL(url);
    return [await blob.text(), await blob.slice(1).arrayBuffer(), await file.bytes(), reader.result,
      await collect(blob.stream())];
  },
  // Cryptography.
  digests: async () => [crypto.randomUUID(), crypto.getRandomValues(new Uint8Array(4)),
    await crypto.subtle.digest("SHA-256", bytes("x")), await attempt(() => crypto.subtle.digest("nope", bytes("x"))),
    await attempt(() => crypto.getRandomValues(new Float32Array(1)))],
  keys: async () => {
    const hmac = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, ["sign", "verify"]);
    const signature = await crypto.subtle.sign("HMAC", hmac, bytes("x"));
    const aes = await crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt", "decrypt", "wrapKey",
      "unwrapKey"]);
    const algorithm = { name: "AES-GCM", iv: new Uint8Array(12) };
    const sealed = await crypto.subtle.encrypt(algorithm, aes, bytes("x"));
    const jwk = await crypto.subtle.exportKey("jwk", aes);
    const wrapped = await crypto.subtle.wrapKey("raw", hmac, aes, algorithm);
    return [await crypto.subtle.verify("HMAC", hmac, signature, bytes("x")), await crypto.subtle.decrypt(algorithm, aes,
      sealed), await crypto.subtle.importKey("jwk", jwk, "AES-GCM", true, ["encrypt"]), hmac.algorithm, hmac.usages,
      await crypto.subtle.unwrapKey("raw", wrapped, aes, algorithm, { name: "HMAC", hash: "SHA-256" }, true, ["sign"])];
  },
  pairs: async () => {
    const ec = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
    const how = { name: "ECDSA", hash: "SHA-256" };
    const signature = await crypto.subtle.sign(how, ec.privateKey, bytes("x"));
    const base = await crypto.subtle.importKey("raw", bytes("x"), "PBKDF2", false, ["deriveBits", "deriveKey"]);
    const pbkdf2 = { name: "PBKDF2", hash: "SHA-256", salt: bytes("s"), iterations: 1 };
    return [await crypto.subtle.verify(how, ec.publicKey, signature, bytes("x")), await crypto.subtle.exportKey("spki",
      ec.publicKey), await crypto.subtle.deriveBits(pbkdf2, base, 128), await crypto.subtle.deriveKey(pbkdf2, base,
      { name: "AES-CBC", length: 128 }, true, ["encrypt"]), ec];
  },
  // Time and events.
  timers: async () => {
    const interval = setInterval(cb(() => {}), 1000);
    const timeout = setTimeout(cb(() => {}), 1000, 1, 2);
    Deno.unrefTimer(timeout);
    Deno.refTimer(timeout);
    clearTimeout(timeout);
    clearInterval(interval);
    await new Later((done) => setTimeout(cb(done), 0, 1));
    await new Later((done) => queueMicrotask(cb(done)));
    const signal = AbortSignal.timeout(1);
    await new Later((done) => signal.onabort = cb(done));
    await new Later((done) => { const id = setInterval(cb(() => { clearInterval(id); done() }), 0) });
    for (let i = 3; i > 0; i--) setTimeout(cb(() => {}), i);
    return [interval, signal.reason];
  },
  events: async () => {
    const target = new EventTarget(), controller = new AbortController();
    target.addEventListener("x", { handleEvent: cb(() => {}) }, { once: true, capture: true });
    target.addEventListener("x", cb((e) => e.preventDefault()), { signal: controller.signal });
    target.addEventListener("x", cb(() => { throw new Error("listener") }));
    const event = new CustomEvent("x", { detail: 1, cancelable: true });
    target.dispatchEvent(event);
    target.dispatchEvent(new Event("x"));
    controller.abort(1);
    target.removeEventListener("x", cb(() => {}));
    const any = AbortSignal.any([controller.signal, new AbortController().signal]);
    reportError(new Error("reported"));
    globalThis.dispatchEvent(new ErrorEvent("error", { message: "x", error: 1, cancelable: true }));
    return [event.composedPath(), any, new MessageEvent("x", { data: 1, ports: [] }), new ProgressEvent("x", { loaded: 1 }),
      new CloseEvent("x", { code: 1 }), new PromiseRejectionEvent("x", { promise: Later.resolve() }),
      await attempt(() => target.dispatchEvent(event)), await attempt(() => AbortSignal.abort().throwIfAborted())];
  },
  rejections: async () => {
    Later.reject(new Error("unhandled"));
    const late = Later.reject(1);
    await new Later((done) => later(done, 2));
    then(late, noop, noop);
    await new Later((done) => later(done, 0));
  },
  // Messages.
  clones: async () => [structuredClone({ a: [new Date(0), new Map([[1, new Set([2])]]), /x/g, new Error("e", { cause: 1 })] }),
    structuredClone(new Uint8Array(2)), structuredClone(new Blob(["x"])), structuredClone(new DOMException("x")),
    await attempt(() => structuredClone(noop)), structuredClone(new ArrayBuffer(1), { transfer: [] }),
    structuredClone(await crypto.subtle.importKey("raw", bytes("x"), "PBKDF2", false, ["deriveBits"])),
    await attempt(() => structuredClone(1n))],
  messages: async () => {
    const { port1, port2 } = new MessageChannel(), inner = new MessageChannel();
    const buffer = new ArrayBuffer(2);
    const got = new Later((done) => port2.onmessage = cb(done));
    port1.postMessage({ port: inner.port1, buffer }, [inner.port1, buffer]);
    const event = await got;
    port1.postMessage(1);
    await attempt(() => port1.postMessage(noop));
    port1.close();
    port2.close();
    inner.port2.close();
    event.data.port.close();
    return [event.data, event.ports];
  },
  transferredStreams: async () => {
    const stream = ReadableStream.from(["x"]);
    const moved = structuredClone(stream, { transfer: [stream] });
    return [await collect(moved), await attempt(() => structuredClone(stream))];
  },
  // Deno.
  commands: async () => {
    const sync = await attempt(() => new Deno.Command("echo", { args: ["x"], env: { A: "b" } }).outputSync());
    const output = await attempt(() => new Deno.Command("echo", { args: ["x"] }).output());
    const child = await attempt(() => new Deno.Command("cat", { stdin: "piped", stdout: "piped", stderr: "piped" }).spawn());
    if (child instanceof Error) return [sync, output, child];
    const writer = child.stdin.getWriter();
    await writer.write(bytes("x"));
    await writer.close();
    const result = await child.output();
    const killed = new Deno.Command("cat", { stdin: "piped", stdout: "null", stderr: "null", signal:
      new AbortController().signal }).spawn();
    killed.unref();
    killed.ref();
    killed.kill("SIGKILL");
    return [sync, output, result, await killed.status, await attempt(() => new Deno.Command("nowhere").output())];
  },
  permissions: async () => [await Deno.permissions.query({ name: "read", path: "." }), Deno.permissions.querySync({ name:
    "net", host: "a:1" }), await Deno.permissions.request({ name: "run", command: "x" }), Deno.permissions.revokeSync({
    name: "env" }), await attempt(() => Deno.permissions.query({ name: "x" }))],
  environment: async () => {
    Deno.env.set("SWEEP", "x");
    const value = Deno.env.get("SWEEP");
    Deno.env.delete("SWEEP");
    return [value, Deno.env.has("SWEEP"), await attempt(() => Deno.env.get("HOME")), await attempt(() =>
      Deno.env.toObject()), Deno.pid, Deno.build, Deno.version, Deno.args, Deno.memoryUsage, Deno.mainModule];
  },
  absent: async () => [await attempt(() => Deno.connect({ port: 1 })), await attempt(() => new WebSocket("ws://x")),
    await attempt(() => Deno.addSignalListener("SIGINT", noop)), await attempt(() => Deno.kill(1)), alert(), confirm(),
    prompt()],
  tools: async () => [await attempt(() => callTool("s", "t", { a: 1 })), await attempt(() => callMCPTool("mcp__a__b", {})),
    await attempt(() => discoverMCPTools({ search: "x" })), await attempt(() => searchTools("x", 2)), await attempt(() =>
    findTools("x", 2)), await attempt(() => loadToolSpec("s/t")), await attempt(() => session.get("x")), await attempt(() =>
    session.set("x", { a: [1] })), await attempt(() => session.delete("x")), await attempt(() => session.keys()), await attempt(() =>
    getToolSchema("x")), await attempt(() => importPlaybook("nowhere")), await attempt(() => import("mcp:nowhere")),
    await attempt(() => globalThis.mcpFactory.listServers()), await attempt(() => globalThis.mcpFactory.load("up"))],
  // Printing.
  printing: async () => {
    const hard = { f: noop, get: 1, s: Symbol("x"), d: new Date(0), m: new Map([[{}, 1]]), e: new Error("x",
      { cause: new Error("y") }), p: new Proxy({}, {}), b: new Uint8Array(2), w: new WeakMap(), r: Later.resolve(1), n: null,
      u: new URL("a:b"), h: new Headers(), x: /x/g,  a: [, 1, "s"], big: 1n, ab: new ArrayBuffer(2) };
    hard.self = hard;
    console.log("%s %d %o %c %j", "a", 1, {}, "color: red", {}, hard);
    console.error(hard);
    console.table([{ a: 1 }, { a: 2 }]);
    console.dir(hard, { depth: 1 });
    console.group("g");
    console.groupEnd();
    console.count();
    console.countReset();
    console.time("t");
    console.timeLog("t", 1);
    console.timeEnd("t");
    console.assert(false, "x");
    console.trace("x");
    console.warn(new AggregateError([new Error("a")], "b"));
    const inspected = { [Symbol.for("Deno.customInspect")]: cb((inspect, options) => inspect({}, options)) };
    return [Deno.inspect(hard, { depth: 10, sorted: true, showHidden: true, getters: true, colors: true, iterableLimit: 2 }),
      Deno.inspect(inspected), Deno.inspect(new Proxy([], {}), { showProxy: true }), Deno.inspect(Object.create(null)),
      Deno.inspect([new Request("http://a/"), new Response(), new Event("x"), new Blob(), new URLSearchParams("a=b"),
        new TextDecoder(), new AbortController(), new ReadableStream(), new DOMException("x"), navigator, crypto, performance,
        new FormData(), new MessageChannel(), new FileReader(), new URLPattern()])];
  },
  // Measuring.
  performance: async () => {
    const seen = [];
    const observer = new PerformanceObserver(cb((list) => void (seen[0] = list.getEntries())));
    observer.observe({ entryTypes: ["mark"] });
    performance.mark("m", { detail: { a: 1 } });
    performance.measure("x", { start: "m", detail: {} });
    const entries = [performance.getEntries(), performance.getEntriesByName("m"), performance.getEntriesByType("mark"),
      JSON.stringify(performance), performance.timeOrigin, performance.now()];
    await new Later((done) => later(done, 0));
    observer.takeRecords();
    observer.disconnect();
    performance.clearMarks();
    performance.clearMeasures();
    return [entries, await attempt(() => performance.measure("x", "nope")), PerformanceObserver.supportedEntryTypes];
  },
  // The language.
  modules: async () => [await import("data:text/javascript,export default import.meta"), await attempt(() =>
    import("npm:x")), await attempt(() => import("data:text/javascript,throw 1")), import.meta.url, await attempt(() =>
    import("data:application/json,{}", { with: { type: "json" } }))],
  errors: () => {
    const stack = new Error("x", { cause: new Error("y") }).stack;
    Error.captureStackTrace({});
    return [stack, new DOMException("m", "AbortError"), new DOMException("q", { name: "x" }), new QuotaExceededError("x"),
      new Deno.errors.NotFound("x"), Deno.errors.NotFound.name];
  },
  wasm: async () => {
    const streaming = () => new Response(wasm, { headers: { "content-type": "application/wasm" } });
    return [await WebAssembly.instantiate(wasm), new WebAssembly.Module(wasm), await attempt(() => WebAssembly.compile(
      bytes("x"))), await attempt(() => WebAssembly.compileStreaming(streaming())), await attempt(() =>
      WebAssembly.instantiateStreaming(Later.resolve(streaming()))), await attempt(() => WebAssembly.compileStreaming(
      new Response("x"))), structuredClone(new WebAssembly.Module(wasm))];
  },
  intl: () => [new Intl.NumberFormat("de").format(1), new Intl.DateTimeFormat("en").format(new Date(0)), [...new
    Intl.Segmenter("ja", { granularity: "word" }).segment("a b")], navigator.userAgent, navigator.languages],
  temporal: () => typeof Temporal === "undefined" ? 0 : [Temporal.PlainDate.from("2024-01-31").add({ months: 1 }).toString(),
    Temporal.Now.instant(), Temporal.Duration.from({ hours: 1 }).total("minutes")],
  memory: () => {
    const registry = new FinalizationRegistry(cb(() => {}));
    registry.register({}, 1);
    return [registry, new WeakRef({}).deref(), new SharedArrayBuffer(2), Atomics.add(new Int32Array(1), 0, 1)];
  },
};

async function collect(stream) {
  const parts = [], reader = stream.getReader();
  for (let part; !(part = await reader.read()).done;) parts[parts.length] = part.value;
  return parts;
}
