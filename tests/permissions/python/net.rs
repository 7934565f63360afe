//! HTTP: urllib, http.client and what is built on them, over the server's fetch.

use serde_json::json;

use super::python;
use crate::servers::P1;

#[test]
fn a_granted_host_is_reached_and_another_is_denied() {
    let Some(python) = python() else { return };
    assert_eq!(python.value("get('http://127.0.0.1:@P2@/hello')"), "P2-HELLO");
    let before = P1.connections();
    let (_, message) = python.error("get('http://127.0.0.1:@P1@/')");
    assert!(message.contains("127.0.0.1:@P1@") && message.contains("--allow-net"), "{message}");
    assert_eq!(P1.connections(), before);
}

#[test]
fn a_response_has_status_headers_and_body() {
    let Some(python) = python() else { return };
    let source = "r = urllib.request.urlopen('http://127.0.0.1:@P2@/json')\n[r.status, r.headers['content-type'], r.headers.get('X-None'), r.read().decode(), r.read().decode(), r.geturl()]";
    assert_eq!(
        python.value(source),
        json!([200, "application/json", null, "{\"a\":[1,2]}", "", "http://127.0.0.1:@P2@/json"])
    );
}

#[test]
fn a_request_has_method_headers_and_body() {
    let Some(python) = python() else { return };
    let source = "import json\nr = urllib.request.Request('http://127.0.0.1:@P2@/echo?q=1', data=json.dumps({'a': 'é'}).encode(), headers={'Content-Type': 'application/json', 'X-Own': 'v'}, method='PUT')\ntext = urllib.request.urlopen(r).read().decode().lower()\n[text.split('\\n')[0], 'x-own: v' in text, 'content-type: application/json' in text, text.endswith('{\"a\": \"\\\\u00e9\"}')]";
    assert_eq!(python.value(source), json!(["put /echo?q=1", true, true, true]));
}

#[test]
fn an_error_status_is_an_http_error() {
    let Some(python) = python() else { return };
    let source = "try:\n    get('http://127.0.0.1:@P2@/status/404')\nexcept urllib.error.HTTPError as e:\n    r = [e.code, e.read().decode()]\nr";
    assert_eq!(python.value(source), json!([404, "status"]));
}

#[test]
fn a_redirect_to_a_granted_host_is_followed_and_another_is_denied() {
    let Some(python) = python() else { return };
    let to = |port: &str| {
        format!("get('http://127.0.0.1:@P2@/redirect?to=http%3A%2F%2F127.0.0.1%3A{port}%2Fhello')")
    };
    assert_eq!(python.value(&to("@P3@")), "P3-HELLO".replace("P3", "P3"));
    let before = P1.connections();
    let (_, message) = python.error(&to("@P1@"));
    assert!(message.contains("127.0.0.1:@P1@"), "{message}");
    assert_eq!(P1.connections(), before);
}

#[test]
fn http_client_works_and_is_denied_alike() {
    let Some(python) = python() else { return };
    let source = "c = http.client.HTTPConnection('127.0.0.1', @P2@, timeout=10)\nc.request('POST', '/echo', body=b'abc', headers={'X-A': '1'})\nr = c.getresponse()\ntext = r.read().decode()\nc.close()\n[r.status, r.reason, text.split('\\n')[0], text.endswith('abc')]";
    assert_eq!(python.value(source), json!([200, "OK", "POST /echo", true]));
    let source = "c = http.client.HTTPConnection('127.0.0.1', @P1@, timeout=10)\nc.request('GET', '/')\nc.getresponse()";
    let (_, message) = python.error(source);
    assert!(message.contains("--allow-net"), "{message}");
}

#[test]
fn a_body_is_read_in_parts() {
    let Some(python) = python() else { return };
    let source = "r = urllib.request.urlopen('http://127.0.0.1:@P2@/json')\nparts = []\nwhile part := r.read(3):\n    parts.append(part.decode())\nparts";
    assert_eq!(python.value(source), json!(["{\"a", "\":[", "1,2", "]}"]));
    let source = "import json\nwith urllib.request.urlopen('http://127.0.0.1:@P2@/json') as r:\n    d = json.load(r)\nd";
    assert_eq!(python.value(source), json!({ "a": [1, 2] }));
}

#[test]
fn pandas_reads_from_a_granted_host() {
    let Some(python) = python() else { return };
    let source = "import pandas as pd\npd.read_json('http://127.0.0.1:@P2@/json')['a'].tolist()";
    assert_eq!(python.value(source), json!([1, 2]));
    let (_, message) =
        python.error("import pandas as pd\npd.read_csv('http://127.0.0.1:@P1@/a.csv')");
    assert!(message.contains("--allow-net"), "{message}");
}

#[test]
fn a_timeout_of_a_request_is_an_error_of_the_program() {
    let Some(python) = python() else { return };
    let source = "try:\n    urllib.request.urlopen('http://127.0.0.1:@P2@/hang', timeout=0.3).read()\n    r = 'answered'\nexcept (TimeoutError, urllib.error.URLError) as e:\n    r = 'timed out' in str(e).lower() or isinstance(e, TimeoutError)\nr";
    assert_eq!(python.value(source), true);
}

#[test]
fn a_port_where_nobody_listens_is_an_error_and_no_denial() {
    let Some(python) = python() else { return };
    // Of the reserved ports (RFC 6335), which the grants do not name: it is denied; and a
    // name that is none is an error of its form.
    python.denies("get('http://127.0.0.1:1/')", &["127.0.0.1:1"]);
    let (_, message) = python.error("get('http://')");
    assert!(!message.contains("--allow-net"), "{message}");
}

#[test]
fn requests_go_side_by_side_from_a_pool() {
    let Some(python) = python() else { return };
    let source = "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(4) as pool:\n    r = list(pool.map(get, ['http://127.0.0.1:@P2@/hello'] * 8))\nset(r)";
    assert_eq!(python.value(source), json!(["P2-HELLO"]));
}
