//! `node:http` over the broker's fetch.

use super::NODE;
use crate::Host;

/// A response's body, and a request that is answered by its response.
const CLIENT: &str = r#"
    const body = async (response: any) => { let all = ""; for await (const part of response) all += part; return all; };
    const ask = (path: string, options: any = {}, data?: unknown) => new Promise<any>((done, failed) =>
      http.request(`http://127.0.0.1:@P2@${path}`, options, done).on("error", failed).end(data));
"#;

#[track_caller]
fn gives(program: &str, expected: &str) {
    Host::with_grants("allow-net=127.0.0.1:@P2@")
        .gives(&format!("{NODE}{CLIENT}{program}"), expected);
}

#[test]
fn a_response_has_its_status_headers_and_body() {
    gives(
        r#"
        const hello = await ask("/hello"), cookie = await ask("/setcookie"), lost = await ask("/status/404");
        return [hello.statusCode, hello.statusMessage, await body(hello), hello.complete,
          cookie.headers["set-cookie"], lost.statusCode];"#,
        r#"[200, "OK", "P2-HELLO", true, ["jar=1"], 404]"#,
    );
}

#[test]
fn a_request_has_its_method_headers_and_body() {
    gives(
        r#"
        const answer = await ask("/echo", { method: "PUT", headers: { "X-One": "1" } }, "the body");
        const seen = (await body(answer)).toLowerCase();
        return [seen.includes("put "), seen.includes("x-one: 1"), seen.includes("the body")];"#,
        "[true, true, true]",
    );
}

#[test]
fn a_body_that_comes_in_pieces_is_streamed() {
    gives(
        r#"
        const request = http.request("http://127.0.0.1:@P2@/echo", { method: "POST" });
        const answer = new Promise<any>((done, failed) => request.on("response", done).on("error", failed));
        request.write("one ");
        await new Promise((done) => setTimeout(done, 20));
        request.write("two ");
        await new Promise((done) => setTimeout(done, 20));
        request.end("three");
        const seen = await body(await answer);
        return ["one", "two", "three"].map((word) => seen.includes(word));"#,
        "[true, true, true]",
    );
}

#[test]
fn redirects_are_the_packages_and_compression_is_the_servers() {
    gives(
        r#"
        const redirect = await ask("/loop"), packed = await ask("/gzip");
        redirect.resume();
        return [redirect.statusCode, redirect.headers.location, packed.headers["content-encoding"] ?? null, await body(packed)];"#,
        r#"[302, "/loop", null, "unpacked"]"#,
    );
}

#[test]
fn a_request_can_be_destroyed_aborted_and_timed_out() {
    gives(
        r#"
        const hung = (options: any, act: (request: any) => void) => new Promise((done) => {
          const request = http.get("http://127.0.0.1:@P2@/hang", options);
          request.on("error", (e: any) => done(`${e.code} ${e.message}`));
          act(request);
        });
        const controller = new AbortController();
        return [
          await hung({}, (request) => setTimeout(() => request.destroy(), 30)),
          await hung({ signal: controller.signal }, () => setTimeout(() => controller.abort(), 30)),
          await hung({ timeout: 50 }, (request) => request.on("timeout", () => request.destroy(new Error("slow")))),
        ];"#,
        r#"["ECONNRESET socket hang up", "ABORT_ERR The operation was aborted", "undefined slow"]"#,
    );
}

#[test]
fn what_is_not_granted_is_refused_in_the_words_of_fetch() {
    gives(
        r#"return await failure(() => ask("", { hostname: "example.com", port: 80, path: "/" }));"#,
        r#""EACCES Requires net access to \"example.com:80\", run again with the --allow-net flag""#,
    );
}

#[test]
fn other_connections_say_what_to_use() {
    gives(
        r#"
        const net = require("node:net");
        const connected = new Promise((done) => net.connect(@P2@, "127.0.0.1").on("error", (e: any) => done(`${e.code} ${e.message}`)));
        const listening = new Promise((done) => http.createServer().listen(0).on("error", (e: any) => done(`${e.code} ${e.message}`)));
        return [await connected, await listening];"#,
        r#"[
            "ECONNREFUSED connect ECONNREFUSED 127.0.0.1:@P2@: programs have no sockets here, use fetch() or node:http",
            "EACCES listen EACCES: programs have no sockets here, and cannot listen for connections"
        ]"#,
    );
}
