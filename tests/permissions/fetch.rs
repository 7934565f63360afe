//! fetch: requests, responses, redirects, streams and signals, as in Deno.

use std::time::{Duration, Instant};

use mcp_conductor::{ErrorKind, ExecuteRequest};

use crate::Host;
use crate::servers::P1;
use crate::support::waiting::eventually;

pub const NET: &str = "allow-net=127.0.0.1:@P2@,127.0.0.1:@P3@";

pub fn host() -> Host {
    Host::with_grants(NET)
}

/// The echo of a request: its line, the headers that are its own, its body.
pub const ECHO: &str = r#"
    const u = "http://127.0.0.1:@P2@", other = "http://127.0.0.1:@P3@";
    const to = (url: string, code = 302) => `/redirect?code=${code}&to=${encodeURIComponent(url)}`;
    const usual = /^(accept.*|user-agent|host|content-length|transfer-encoding|connection): /i;
    const parts = (text: string) => {
      const [head, ...body] = text.split("\n\n"), [line, ...headers] = head.split("\n");
      return [line, headers.filter((h) => !usual.test(h)).sort().join("; "), body.join("\n\n")];
    };
    const echo = async (path: string, init?: any) => parts(await (await fetch(u + path, init)).text());
"#;

/// RFC 9659, and RFC 7932 without what is no part of it.
#[test]
fn a_body_may_have_the_windows_of_http_and_no_larger_ones() {
    host().gives(
        &format!(
            r#"{ECHO}
        const body = (path: string) => t(async () => await (await fetch(u + path)).text());
        const head = (await fetch(u + "/zstd?window=20")).headers;
        return {{
          "body /zstd?window=20": await body("/zstd?window=20"),
          "body /zstd?window=23": await body("/zstd?window=23"),
          "body /brotli": await body("/brotli"),
          "head.get content-encoding": (head.get("content-encoding")) ?? null,
          "head.get content-length": (head.get("content-length")) ?? null,
          "body /zstd?window=24 .includes 16 MiB": (await body("/zstd?window=24")).includes("16 MiB"),
          "body /zstd?window=31": await body("/zstd?window=31"),
          "body /large-brotli .includes a large window": (await body("/large-brotli")).includes("a large window"),
        }};"#
        ),
        r#"{
            "body /zstd?window=20": "unpacked",
            "body /zstd?window=23": "unpacked",
            "body /brotli": "",
            "head.get content-encoding": null,
            "head.get content-length": null,
            "body /zstd?window=24 .includes 16 MiB": true,
            "body /zstd?window=31": "TypeError: error reading a body from connection: its compression needs a window of 2048 MiB; at most 8 MiB for zstd and 16 MiB for Brotli are accepted",
            "body /large-brotli .includes a large window": true
        }"#,
    );
}

#[test]
fn a_response_has_its_parts() {
    host().gives(
        &format!(
            r#"{ECHO}
        const r = await fetch(u + "/headers");
        const bad = await fetch(new URL(u + "/status/404"));
        return {{
          "r.status": r.status,
          "r.statusText": r.statusText,
          "r.ok": r.ok,
          "r.url": r.url,
          "r.redirected": r.redirected,
          "r.type": r.type,
          "r.headers.get X-TWO": r.headers.get("X-TWO"),
          "r.headers.getSetCookie": r.headers.getSetCookie(),
          "[...r.headers.keys ].includes x-one": [...r.headers.keys()].includes("x-one"),
          "r.bodyUsed": r.bodyUsed,
          "bad.status": bad.status,
          "bad.statusText": bad.statusText,
          "bad.ok": bad.ok,
          "bad.text": await bad.text(),
          "bad.bodyUsed": bad.bodyUsed,
          "fetch u + /json .json": await (await fetch(u + "/json")).json(),
          "[... fetch u + /hello .bytes ].length": [...await (await fetch(u + "/hello")).bytes()].length,
          "fetch u + /hello .arrayBuffer .byteLength": (await (await fetch(u + "/hello")).arrayBuffer()).byteLength,
          "fetch u + /hello .blob .type": (await (await fetch(u + "/hello")).blob()).type,
          "fetch u + /gzip .text": await (await fetch(u + "/gzip")).text(),
          "fetch u + /status/204 .body": ((await fetch(u + "/status/204")).body) ?? null,
          "bad.text, 2": await t(() => bad.text()),
          "fetch u + /hello .clone .text": await (await fetch(u + "/hello")).clone().text(),
          "r instanceof Response": r instanceof Response,
        }};"#
        ),
        r#"{
            "r.status": 200,
            "r.statusText": "OK",
            "r.ok": true,
            "r.url": "http://127.0.0.1:@P2@/headers",
            "r.redirected": false,
            "r.type": "basic",
            "r.headers.get X-TWO": "a, b",
            "r.headers.getSetCookie": ["a=1", "b=2"],
            "[...r.headers.keys ].includes x-one": true,
            "r.bodyUsed": false,
            "bad.status": 404,
            "bad.statusText": "Not Found",
            "bad.ok": false,
            "bad.text": "status",
            "bad.bodyUsed": true,
            "fetch u + /json .json": {"a": [1, 2]},
            "[... fetch u + /hello .bytes ].length": 8,
            "fetch u + /hello .arrayBuffer .byteLength": 8,
            "fetch u + /hello .blob .type": "text/plain",
            "fetch u + /gzip .text": "unpacked",
            "fetch u + /status/204 .body": null,
            "bad.text, 2": "TypeError: Body already consumed",
            "fetch u + /hello .clone .text": "P2-HELLO",
            "r instanceof Response": true
        }"#,
    );
}

#[test]
fn a_request_is_sent_as_it_was_made() {
    host().gives(
        &format!(
            r#"{ECHO}
        const form = new FormData();
        form.append("a", "1");
        form.append("file", new Blob(["data"], {{ type: "text/x" }}), "n.txt");
        const [, type, body] = await echo("/echo", {{ method: "POST", body: form }});
        const boundary = type.split("boundary=")[1];
        return {{
          "echo /echo?a=b%20c#fragment": await echo("/echo?a=b%20c#fragment"),
          "echo /echo, {{ method: DELETE }}": await echo("/echo", {{ method: "DELETE" }}),
          "echo /echo, {{ method: post, body: größe }}": await echo("/echo", {{ method: "post", body: "größe" }}),
          "echo /echo, {{ method: PATCH, body: bytes bytes }}": await echo("/echo", {{ method: "PATCH", body: bytes("bytes") }}),
          "echo /echo, {{ method: PUT, body: new URLSearchParams {{ a: b": await echo("/echo", {{ method: "PUT", body: new URLSearchParams({{ a: "b c" }}) }}),
          "echo /echo, {{ method: POST, body: new Blob [blob], {{ type:": await echo("/echo", {{ method: "POST", body: new Blob(["blob"], {{ type: "x/y" }}) }}),
          "echo /echo, {{ method: POST, body: new Response streamed": await echo("/echo", {{ method: "POST", body: new Response("streamed").body }}),
          "echo /echo, {{ headers: {{ X-One: 1, cookie: c=d,": await echo("/echo", {{ headers: {{ "X-One": "1", cookie: "c=d", authorization: "A" }} }}),
          "echo /echo, {{ headers: [[x-two, a], [x-two, b]] }}": await echo("/echo", {{ headers: [["x-two", "a"], ["x-two", "b"]] }}),
          "parts fetch new Request u + /echo, {{ headers: {{ a: b }} }} ,": parts(await (await fetch(new Request(u + "/echo", {{ headers: {{ a: "b" }} }}), {{ method: "PUT", body: "p" }})).text()),
          "fetch u + /echo, {{ method: HEAD }} .text": await (await fetch(u + "/echo", {{ method: "HEAD" }})).text(),
          "type.replace boundary, B": type.replace(boundary, "B"),
          "body.replaceAll boundary, B": body.replaceAll(boundary, "B").split("\r\n"),
        }};"#
        ),
        r#"{
            "echo /echo?a=b%20c#fragment": ["GET /echo?a=b%20c", "", ""],
            "echo /echo, { method: DELETE }": ["DELETE /echo", "", ""],
            "echo /echo, { method: post, body: größe }": ["POST /echo", "content-type: text/plain;charset=UTF-8", "gr\u00f6\u00dfe"],
            "echo /echo, { method: PATCH, body: bytes bytes }": ["PATCH /echo", "", "bytes"],
            "echo /echo, { method: PUT, body: new URLSearchParams { a: b": ["PUT /echo", "content-type: application/x-www-form-urlencoded;charset=UTF-8", "a=b+c"],
            "echo /echo, { method: POST, body: new Blob [blob], { type:": ["POST /echo", "content-type: x/y", "blob"],
            "echo /echo, { method: POST, body: new Response streamed": ["POST /echo", "", "streamed"],
            "echo /echo, { headers: { X-One: 1, cookie: c=d,": ["GET /echo", "authorization: A; cookie: c=d; x-one: 1", ""],
            "echo /echo, { headers: [[x-two, a], [x-two, b]] }": ["GET /echo", "x-two: a; x-two: b", ""],
            "parts fetch new Request u + /echo, { headers: { a: b } } ,": ["PUT /echo", "a: b; content-type: text/plain;charset=UTF-8", "p"],
            "fetch u + /echo, { method: HEAD } .text": "",
            "type.replace boundary, B": "content-type: multipart/form-data; boundary=B",
            "body.replaceAll boundary, B": ["--B", "Content-Disposition: form-data; name=\"a\"", "", "1", "--B", "Content-Disposition: form-data; name=\"file\"; filename=\"n.txt\"", "Content-Type: text/x", "", "data", "--B--"]
        }"#,
    );
}

#[test]
fn the_connections_headers_are_not_the_programs() {
    host().gives(
        &format!(
            r#"{ECHO}
        const headers = {{ Host: "evil", Connection: "x", "Content-Length": "99", TE: "x",
          "Transfer-Encoding": "chunked", Upgrade: "x", Expect: "100-continue", "Keep-Alive": "9",
          "Proxy-Authorization": "p", "X-Kept": "1" }};
        const sent = (await (await fetch(u + "/echo", {{ headers }})).text()).split("\n");
        const named = (name: string) => sent.filter((line) => line.toLowerCase().startsWith(name + ":"));
        return [named("host"), named("x-kept"),
          ["te", "transfer-encoding", "upgrade", "expect", "keep-alive", "proxy-authorization",
            "content-length", "proxy-connection"].flatMap(named), sent.some((line) => /evil|: 99$/.test(line))];"#
        ),
        r#"[["host: 127.0.0.1:@P2@"], ["x-kept: 1"], [], false]"#,
    );
}

#[test]
fn what_cannot_be_requested_is_refused_in_denos_words() {
    host().gives(
        &format!(
            r#"{ECHO}
        const get = (url: any, init?: any) => t(async () => (await fetch(url, init)).status);
        return {{
          "get ftp://127.0.0.1/": await get("ftp://127.0.0.1/"),
          "get http://": await get("http://"),
          "get /x": await get("/x"),
          "get u, {{ method: CONNECT }}": await get(u, {{ method: "CONNECT" }}),
          "get u, {{ method: trace }}": await get(u, {{ method: "trace" }}),
          "get u, {{ method: TRACK }}": await get(u, {{ method: "TRACK" }}),
          "get u, {{ method: a b }}": await get(u, {{ method: "a b" }}),
          "get u, {{ headers: {{ x: arnb: c }} }}": await get(u, {{ headers: {{ x: "a\r\nb: c" }} }}),
          "get u, {{ headers: {{ a b: c }} }}": await get(u, {{ headers: {{ "a b": "c" }} }}),
          "get u, {{ body: x }}": await get(u, {{ body: "x" }}),
          "get data:text/plain,hi": await get("data:text/plain,hi"),
        }};"#
        ),
        r#"{
            "get ftp://127.0.0.1/": "TypeError: Url scheme 'ftp' not supported",
            "get http://": "TypeError: Invalid URL: 'http://'",
            "get /x": "TypeError: Invalid URL: '/x'",
            "get u, { method: CONNECT }": "TypeError: Method is forbidden",
            "get u, { method: trace }": "TypeError: Method is forbidden",
            "get u, { method: TRACK }": "TypeError: Method is forbidden",
            "get u, { method: a b }": "TypeError: Method is not valid",
            "get u, { headers: { x: arnb: c } }": "TypeError: Invalid header value: \"a\r\nb: c\"",
            "get u, { headers: { a b: c } }": "TypeError: Invalid header name: \"a b\"",
            "get u, { body: x }": "TypeError: Request with GET/HEAD method cannot have body",
            "get data:text/plain,hi": 200
        }"#,
    );
}

#[test]
fn redirects_are_followed_as_asked() {
    host().gives(
        &format!(
            r#"{ECHO}
        const look = async (path: string, init?: any) => {{
          const r = await fetch(u + path, init);
          return [r.status, r.redirected, r.url.replace(u, ""), r.headers.get("location"), await r.text()];
        }};
        const codes = [];
        for (const code of [301, 302, 303, 307, 308]) {{
          const headers = {{ "content-type": "x/y", authorization: "A" }};
          codes.push(await echo(to("/echo", code), {{ method: "POST", body: "b", headers }}));
        }}
        const secret = {{ authorization: "A", cookie: "c", "proxy-authorization": "p", x: "y" }};
        return {{
          "look /redirect?to=/hello": await look("/redirect?to=/hello"),
          "look /redirect?to=/hello, {{ redirect: manual }}": await look("/redirect?to=/hello", {{ redirect: "manual" }}),
          "look /redirect?to=/hello, {{ redirect: error }}": await t(() => look("/redirect?to=/hello", {{ redirect: "error" }})),
          "look /loop": await t(() => look("/loop")),
          "look to other + /hello": await look(to(other + "/hello")),
          "codes": codes,
          "echo to other + /echo , {{ headers: secret }}": await echo(to(other + "/echo"), {{ headers: secret }}),
        }};"#
        ),
        r#"{
            "look /redirect?to=/hello": [200, true, "/hello", null, "P2-HELLO"],
            "look /redirect?to=/hello, { redirect: manual }": [302, false, "/redirect?to=/hello", "/hello", "moved"],
            "look /redirect?to=/hello, { redirect: error }": "TypeError: Fetch failed: Encountered redirect while redirect mode is set to 'error'",
            "look /loop": "TypeError: Fetch failed: Maximum number of redirects (20) reached",
            "look to other + /hello": [200, true, "http://127.0.0.1:@P3@/hello", null, "P3-HELLO"],
            "codes": [["GET /echo", "authorization: A", ""], ["GET /echo", "authorization: A", ""], ["GET /echo", "authorization: A", ""], ["POST /echo", "authorization: A; content-type: x/y", "b"], ["POST /echo", "authorization: A; content-type: x/y", "b"]],
            "echo to other + /echo , { headers: secret }": ["GET /echo", "x: y", ""]
        }"#,
    );
}

#[test]
fn each_hop_of_a_redirect_is_decided_anew() {
    let host = host();
    let before = P1.connections();
    host.gives(
        &format!(
            r#"{ECHO}
        const follow = (url: string) => t(async () => (await fetch(u + to(url))).status);
        return {{
          "follow http://127.0.0.1:@P1@/": await follow("http://127.0.0.1:@P1@/"),
          "follow other + to http://127.0.0.1:@P1@/": await follow(other + to("http://127.0.0.1:@P1@/")),
          "follow the address as one number": await follow("http://2130706433:@P1@/"),
          "follow file:///etc/passwd": await follow("file:///etc/passwd"),
          "follow ftp://x/": await follow("ftp://x/"),
          "follow http://169.254.169.254/": await follow("http://169.254.169.254/"),
          "fetch http://127.0.0.1:@P1@/, {{ redirect: manual }}": await t(() => fetch("http://127.0.0.1:@P1@/", {{ redirect: "manual" }})),
        }};"#
        ),
        r#"{
            "follow http://127.0.0.1:@P1@/": "NotCapable: Requires net access to \"127.0.0.1:@P1@\", run again with the --allow-net flag",
            "follow other + to http://127.0.0.1:@P1@/": "NotCapable: Requires net access to \"127.0.0.1:@P1@\", run again with the --allow-net flag",
            "follow the address as one number": "NotCapable: Requires net access to \"127.0.0.1:@P1@\", run again with the --allow-net flag",
            "follow file:///etc/passwd": "TypeError: Fetch failed: Can not redirect to a non HTTP(s) url",
            "follow ftp://x/": "TypeError: Fetch failed: Can not redirect to a non HTTP(s) url",
            "follow http://169.254.169.254/": "NotCapable: Requires net access to \"169.254.169.254:80\", run again with the --allow-net flag",
            "fetch http://127.0.0.1:@P1@/, { redirect: manual }": "NotCapable: Requires net access to \"127.0.0.1:@P1@\", run again with the --allow-net flag"
        }"#,
    );
    assert_eq!(P1.connections(), before);
}

#[test]
fn a_body_is_read_as_it_comes_and_sent_as_it_is_made() {
    let (host, own) = Host::with_server(&format!("{NET},127.0.0.1:@OWN@"));
    let port = own.port;
    host.gives(
        &format!(
            r#"{ECHO}
        const chunks: string[] = [], own = "http://127.0.0.1:{port}";
        for await (const chunk of (await fetch(own + "/chunks")).body!) {{
          chunks.push(text(chunk));
          await fetch(own + "/next");
        }}
        const {{ readable, writable }} = new TransformStream();
        const sent = fetch(u + "/echo", {{ method: "POST", body: readable }});
        const writer = writable.getWriter();
        for (const part of ["a", "b", "c"]) {{
          await writer.write(bytes(part));
          await new Promise((done) => setTimeout(done, 20));
        }}
        await writer.close();
        const big = new Uint8Array(3_000_000).fill(120);
        const back = parts(await (await fetch(u + "/echo", {{ method: "PUT", body: big }})).text())[2];
        const cut = (await fetch(u + "/big")).body!.getReader();
        const first = (await cut.read()).value!.length > 0;
        await cut.cancel();
        return {{
          "chunks": chunks,
          "parts sent .text": parts(await (await sent).text()),
          "back.length": back.length,
          "first": first,
          "cut.read .then r to r.done": await cut.read().then((r) => r.done),
        }};"#
        ),
        r#"{
            "chunks": ["one", "two", "six"],
            "parts sent .text": ["POST /echo", "", "abc"],
            "back.length": 3000000,
            "first": true,
            "cut.read .then r to r.done": true
        }"#,
    );
}

#[test]
fn a_request_can_be_aborted_before_and_while_it_runs() {
    let host = host();
    let start = Instant::now();
    host.gives(
        &format!(
            r#"{ECHO}
        const aborted = AbortSignal.abort();
        const later = (reason?: unknown) => {{
          const controller = new AbortController();
          setTimeout(() => controller.abort(reason), 100);
          return controller.signal;
        }};
        const controller = new AbortController(), signal = controller.signal;
        const reader = (await fetch(u + "/byte", {{ signal }})).body!.getReader();
        const first = text((await reader.read()).value!), second = t(() => reader.read());
        controller.abort();
        const stream = new ReadableStream({{ pull: () => new Promise(() => {{}}) }});
        return {{
          "fetch u + /hello, {{ signal: aborted }}": await t(() => fetch(u + "/hello", {{ signal: aborted }})),
          "fetch u + /hang, {{ signal: later }}": await t(() => fetch(u + "/hang", {{ signal: later() }})),
          "fetch u + /hang, {{ signal: later why }}": await t(() => fetch(u + "/hang", {{ signal: later("why") }})),
          "fetch u + /hang, {{ signal: AbortSignal.timeout 100 }}": await t(() => fetch(u + "/hang", {{ signal: AbortSignal.timeout(100) }})),
          "first": first,
          "second": await second,
          "fetch u + /echo, {{ method: POST, body: stream, signal:": await t(() => fetch(u + "/echo", {{ method: "POST", body: stream, signal: later() }})),
        }};"#
        ),
        r#"{
            "fetch u + /hello, { signal: aborted }": "AbortError: The signal has been aborted [20]",
            "fetch u + /hang, { signal: later }": "AbortError: The signal has been aborted [20]",
            "fetch u + /hang, { signal: later why }": "why",
            "fetch u + /hang, { signal: AbortSignal.timeout 100 }": "TimeoutError: The operation was aborted due to timeout [23]",
            "first": "s",
            "second": "AbortError: The signal has been aborted [20]",
            "fetch u + /echo, { method: POST, body: stream, signal:": "AbortError: The signal has been aborted [20]"
        }"#,
    );
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn a_request_that_is_left_behind_does_not_take_the_value() {
    let (host, own) = Host::with_server("allow-net=127.0.0.1:@OWN@");
    let url = format!("http://127.0.0.1:{}/hang", own.port);
    let execution = host.run(&format!("fetch('{url}?canary=1');\n'value'"));
    assert_eq!((&execution.error, &execution.return_value), (&None, &"value".into()));
    let [request] = &execution.unfinished[..] else { panic!("{execution:#?}") };
    assert_eq!((&*request.what, request.line), (&*format!("fetch {url}"), Some(1)));
    assert!(eventually(|| own.open() == 0), "the connection is still open");
}

#[test]
fn a_server_that_never_answers_costs_the_run_and_no_more() {
    let (host, own) = Host::with_server("allow-net=127.0.0.1:@OWN@");
    let source = format!("await fetch('http://127.0.0.1:{}/hang')", own.port);
    // On a busy machine a short time is over before the program has a connection.
    for millis in [500, 2000, 8000, 20_000] {
        let request = ExecuteRequest::new(&*source).with_timeout(Duration::from_millis(millis));
        let error = host.execute(request).error.expect("it never answers");
        assert_eq!(error.kind, ErrorKind::Timeout);
        assert_eq!(error.message, format!("Execution timed out after {millis}ms"));
        if own.connections() > 0 {
            break;
        }
    }
    assert_eq!(own.connections(), 1);
    assert!(eventually(|| own.open() == 0), "the connection is still open");
}

#[test]
fn a_connection_that_was_not_read_ends_with_the_run() {
    let (host, own) = Host::with_server("allow-net=127.0.0.1:@OWN@");
    let source = "const r = await fetch('http://127.0.0.1:PORT/big'); Deno.exit(0)";
    let execution = host.run(&source.replace("PORT", &own.port.to_string()));
    assert_eq!(execution.error, None);
    assert!(eventually(|| own.open() == 0), "the connection is still open");
}
