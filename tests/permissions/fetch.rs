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
        return [
          await body("/zstd?window=20"), await body("/zstd?window=23"), await body("/brotli"),
          head.get("content-encoding"), head.get("content-length"),
          (await body("/zstd?window=24")).includes("16 MiB"), await body("/zstd?window=31"),
          (await body("/large-brotli")).includes("a large window"),
        ];"#
        ),
        r#"[
            "unpacked",
            "unpacked",
            "",
            null,
            null,
            true,
            "TypeError: error reading a body from connection: its compression needs a window of 2048 MiB, more than the 8 MiB of zstd or 16 MiB of Brotli in HTTP",
            true
        ]"#,
    );
}

#[test]
fn a_response_has_its_parts() {
    host().gives(
        &format!(
            r#"{ECHO}
        const r = await fetch(u + "/headers");
        const bad = await fetch(new URL(u + "/status/404"));
        return [
          r.status, r.statusText, r.ok, r.url, r.redirected, r.type, r.headers.get("X-TWO"),
          r.headers.getSetCookie(), [...r.headers.keys()].includes("x-one"), r.bodyUsed,
          bad.status, bad.statusText, bad.ok, await bad.text(), bad.bodyUsed,
          await (await fetch(u + "/json")).json(), [...await (await fetch(u + "/hello")).bytes()].length,
          (await (await fetch(u + "/hello")).arrayBuffer()).byteLength,
          (await (await fetch(u + "/hello")).blob()).type, await (await fetch(u + "/gzip")).text(),
          (await fetch(u + "/status/204")).body, await t(() => bad.text()),
          await (await fetch(u + "/hello")).clone().text(), r instanceof Response,
        ];"#
        ),
        r#"[
            200,
            "OK",
            true,
            "http://127.0.0.1:@P2@/headers",
            false,
            "basic",
            "a, b",
            ["a=1", "b=2"],
            true,
            false,
            404,
            "Not Found",
            false,
            "status",
            true,
            {"a": [1, 2]},
            8,
            8,
            "text/plain",
            "unpacked",
            null,
            "TypeError: Body already consumed",
            "P2-HELLO",
            true
        ]"#,
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
        return [
          await echo("/echo?a=b%20c#fragment"), await echo("/echo", {{ method: "DELETE" }}),
          await echo("/echo", {{ method: "post", body: "größe" }}),
          await echo("/echo", {{ method: "PATCH", body: bytes("bytes") }}),
          await echo("/echo", {{ method: "PUT", body: new URLSearchParams({{ a: "b c" }}) }}),
          await echo("/echo", {{ method: "POST", body: new Blob(["blob"], {{ type: "x/y" }}) }}),
          await echo("/echo", {{ method: "POST", body: new Response("streamed").body }}),
          await echo("/echo", {{ headers: {{ "X-One": "1", cookie: "c=d", authorization: "A" }} }}),
          await echo("/echo", {{ headers: [["x-two", "a"], ["x-two", "b"]] }}),
          parts(await (await fetch(new Request(u + "/echo", {{ headers: {{ a: "b" }} }}), {{ method: "PUT", body: "p" }})).text()),
          await (await fetch(u + "/echo", {{ method: "HEAD" }})).text(),
          type.replace(boundary, "B"), body.replaceAll(boundary, "B").split("\r\n"),
        ];"#
        ),
        r#"[
            ["GET /echo?a=b%20c", "", ""],
            ["DELETE /echo", "", ""],
            ["POST /echo", "content-type: text/plain;charset=UTF-8", "gr\u00f6\u00dfe"],
            ["PATCH /echo", "", "bytes"],
            ["PUT /echo", "content-type: application/x-www-form-urlencoded;charset=UTF-8", "a=b+c"],
            ["POST /echo", "content-type: x/y", "blob"],
            ["POST /echo", "", "streamed"],
            ["GET /echo", "authorization: A; cookie: c=d; x-one: 1", ""],
            ["GET /echo", "x-two: a; x-two: b", ""],
            ["PUT /echo", "a: b; content-type: text/plain;charset=UTF-8", "p"],
            "",
            "content-type: multipart/form-data; boundary=B",
            ["--B", "Content-Disposition: form-data; name=\"a\"", "", "1", "--B", "Content-Disposition: form-data; name=\"file\"; filename=\"n.txt\"", "Content-Type: text/x", "", "data", "--B--"]
        ]"#,
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
        return [
          await get("ftp://127.0.0.1/"), await get("http://"), await get("/x"),
          await get(u, {{ method: "CONNECT" }}), await get(u, {{ method: "trace" }}),
          await get(u, {{ method: "TRACK" }}), await get(u, {{ method: "a b" }}),
          await get(u, {{ headers: {{ x: "a\r\nb: c" }} }}), await get(u, {{ headers: {{ "a b": "c" }} }}),
          await get(u, {{ body: "x" }}), await get("data:text/plain,hi"),
        ];"#
        ),
        r#"[
            "TypeError: Url scheme 'ftp' not supported",
            "TypeError: Invalid URL: 'http://'",
            "TypeError: Invalid URL: '/x'",
            "TypeError: Method is forbidden",
            "TypeError: Method is forbidden",
            "TypeError: Method is forbidden",
            "TypeError: Method is not valid",
            "TypeError: Invalid header value: \"a\r\nb: c\"",
            "TypeError: Invalid header name: \"a b\"",
            "TypeError: Request with GET/HEAD method cannot have body",
            200
        ]"#,
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
        return [
          await look("/redirect?to=/hello"), await look("/redirect?to=/hello", {{ redirect: "manual" }}),
          await t(() => look("/redirect?to=/hello", {{ redirect: "error" }})),
          await t(() => look("/loop")), await look(to(other + "/hello")), codes,
          await echo(to(other + "/echo"), {{ headers: secret }}),
        ];"#
        ),
        r#"[
            [200, true, "/hello", null, "P2-HELLO"],
            [302, false, "/redirect?to=/hello", "/hello", "moved"],
            "TypeError: Fetch failed: Encountered redirect while redirect mode is set to 'error'",
            "TypeError: Fetch failed: Maximum number of redirects (20) reached",
            [200, true, "http://127.0.0.1:@P3@/hello", null, "P3-HELLO"],
            [["GET /echo", "authorization: A", ""], ["GET /echo", "authorization: A", ""], ["GET /echo", "authorization: A", ""], ["POST /echo", "authorization: A; content-type: x/y", "b"], ["POST /echo", "authorization: A; content-type: x/y", "b"]],
            ["GET /echo", "x: y", ""]
        ]"#,
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
        return [
          await follow("http://127.0.0.1:@P1@/"), await follow(other + to("http://127.0.0.1:@P1@/")),
          await follow("http://2130706433:@P1@/"), await follow("file:///etc/passwd"),
          await follow("ftp://x/"), await follow("http://169.254.169.254/"),
          await t(() => fetch("http://127.0.0.1:@P1@/", {{ redirect: "manual" }})),
        ];"#
        ),
        r#"[
            "NotCapable: Requires net access to \"127.0.0.1:@P1@\", run again with the --allow-net flag",
            "NotCapable: Requires net access to \"127.0.0.1:@P1@\", run again with the --allow-net flag",
            "NotCapable: Requires net access to \"127.0.0.1:@P1@\", run again with the --allow-net flag",
            "TypeError: Fetch failed: Can not redirect to a non HTTP(s) url",
            "TypeError: Fetch failed: Can not redirect to a non HTTP(s) url",
            "NotCapable: Requires net access to \"169.254.169.254:80\", run again with the --allow-net flag",
            "NotCapable: Requires net access to \"127.0.0.1:@P1@\", run again with the --allow-net flag"
        ]"#,
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
        return [chunks, parts(await (await sent).text()), back.length, first,
          await cut.read().then((r) => r.done)];"#
        ),
        r#"[["one", "two", "six"], ["POST /echo", "", "abc"], 3000000, true, true]"#,
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
        return [
          await t(() => fetch(u + "/hello", {{ signal: aborted }})),
          await t(() => fetch(u + "/hang", {{ signal: later() }})),
          await t(() => fetch(u + "/hang", {{ signal: later("why") }})),
          await t(() => fetch(u + "/hang", {{ signal: AbortSignal.timeout(100) }})),
          first, await second,
          await t(() => fetch(u + "/echo", {{ method: "POST", body: stream, signal: later() }})),
        ];"#
        ),
        r#"[
            "AbortError: The signal has been aborted [20]",
            "AbortError: The signal has been aborted [20]",
            "why",
            "TimeoutError: The operation was aborted due to timeout [23]",
            "s",
            "AbortError: The signal has been aborted [20]",
            "AbortError: The signal has been aborted [20]"
        ]"#,
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
