//! Pictures of a program: content blocks after the result, in order, bounded.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::expectations::images;
use super::{call, run, server};
use crate::support::results::text;

/// The first bytes of a PNG (RFC 2083, section 3.1).
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// How many pictures a result has at most.
const MOST: usize = 20;

fn blocks(result: &Value) -> Vec<Value> {
    let content = result["content"].as_array().expect("content");
    content.iter().filter(|block| block["type"] == "image").cloned().collect()
}

/// Widths of the pictures, which is how the tests tell them apart.
#[track_caller]
fn widths(result: &Value) -> Vec<u32> {
    let width = |block: Value| {
        assert_eq!(block["mimeType"], "image/png");
        let bytes = BASE64_STANDARD.decode(block["data"].as_str().expect("data")).expect("base64");
        assert!(bytes.starts_with(PNG), "{:?}", &bytes[..16]);
        // Section 4.1.1: after the length and the name of IHDR.
        u32::from_be_bytes(bytes[16..20].try_into().expect("four bytes"))
    };
    blocks(result).into_iter().map(width).collect()
}

#[test]
fn a_figure_that_is_shown_is_a_block_after_the_text() {
    let Some(mut server) = server() else { return };
    let code = "import matplotlib.pyplot as plt\nfig, ax = plt.subplots(figsize=(2, 2), dpi=50)\n\
                ax.plot([1, 2, 3])\nplt.show()";
    let result = call(&mut server, code);
    assert_eq!(result["isError"], false, "{result}");
    assert_eq!(result["content"][0]["type"], "text");
    assert_eq!(result["content"][1]["type"], "image");
    assert_eq!(widths(&result).len(), 1);
    let told: Value = serde_json::from_str(&text(&result)).expect("JSON");
    assert_eq!(told, result["structuredContent"]);
    assert_eq!((&told["status"], &told["returnValue"]), (&json!("success"), &Value::Null));
}

#[test]
fn figures_that_are_open_at_the_end_come_in_their_order() {
    let Some(mut server) = server() else { return };
    let code = "import matplotlib.pyplot as plt\nfor width in (1, 3, 2):\n    \
                plt.figure(figsize=(width, 1), dpi=100)\n    plt.plot([1, 2])\nNone";
    let found = widths(&call(&mut server, code));
    assert_eq!(found.len(), 3);
    assert!(found[0] < found[2] && found[2] < found[1], "{found:?}");
}

#[test]
fn a_figure_that_was_shown_is_not_shown_again() {
    let Some(mut server) = server() else { return };
    let code = "import matplotlib.pyplot as plt\nplt.figure(figsize=(1, 1))\nplt.show()\n\
                plt.figure(figsize=(1, 1))\nplt.show()";
    assert_eq!(images(&call(&mut server, code)), 2);
}

#[test]
fn a_figure_that_was_closed_is_not_shown() {
    let Some(mut server) = server() else { return };
    let code = "import matplotlib.pyplot as plt\nplt.figure(figsize=(1, 1))\nplt.close('all')\n1";
    assert_eq!(images(&call(&mut server, code)), 0);
}

#[test]
fn figures_of_one_run_are_not_in_the_next() {
    let Some(mut server) = server() else { return };
    call(&mut server, "import matplotlib.pyplot as plt\nplt.figure(figsize=(1, 1))");
    let result = call(&mut server, "import matplotlib.pyplot as plt\nplt.get_fignums()");
    assert_eq!(result["structuredContent"]["returnValue"], json!([]));
    assert_eq!(images(&result), 0);
}

#[test]
fn a_picture_of_pillow_that_is_the_value_is_a_block() {
    let Some(mut server) = server() else { return };
    let code = "from PIL import Image\nImage.new('RGB', (7, 5), 'red')";
    assert_eq!(widths(&call(&mut server, code)), [7]);
}

#[test]
fn an_object_that_draws_itself_is_a_block() {
    let Some(mut server) = server() else { return };
    let code = "import io\nfrom PIL import Image\nclass Drawn:\n    def _repr_png_(self):\n        \
                out = io.BytesIO()\n        Image.new('L', (9, 1)).save(out, 'PNG')\n        \
                return out.getvalue()\ndisplay(Drawn())\nDrawn()";
    assert_eq!(widths(&call(&mut server, code)), [9, 9]);
}

#[test]
fn pictures_before_an_error_are_kept() {
    let Some(mut server) = server() else { return };
    let code = "from PIL import Image\ndisplay(Image.new('L', (4, 1)))\n1 / 0";
    let result = call(&mut server, code);
    assert_eq!(result["structuredContent"]["errorDetail"]["name"], "ZeroDivisionError");
    assert_eq!(widths(&result), [4]);
}

#[test]
fn pictures_beyond_the_limit_are_left_out_and_it_is_said() {
    let Some(mut server) = server() else { return };
    let code =
        "from PIL import Image\nfor n in range(40):\n    display(Image.new('L', (n + 1, 1)))";
    let result = call(&mut server, code);
    let found = widths(&result);
    assert_eq!(found, (1..=20).collect::<Vec<u32>>());
    assert_eq!(found.len(), MOST);
    let notes = result["structuredContent"]["notes"].to_string();
    assert!(notes.contains("20"), "{result}");
}

#[test]
fn what_claims_to_be_a_picture_and_is_none_does_no_harm() {
    let Some(mut server) = server() else { return };
    let code = "class Fake:\n    def __init__(self, given):\n        self.given = given\n    \
                def _repr_png_(self):\n        return self.given\n\
                for given in (None, 'text', 7, b'', b'<script>'):\n    display(Fake(given))\n'ended'";
    let result = call(&mut server, code);
    assert_eq!(images(&result), 0, "{result}");
    assert_eq!(result["structuredContent"]["returnValue"], "ended");
}

#[test]
fn a_drawing_that_fails_does_not_lose_the_result() {
    let Some(mut server) = server() else { return };
    let code = "class Bad:\n    def _repr_png_(self):\n        raise RuntimeError('no ink')\n\
                print('on')\nBad()";
    let execution = run(&mut server, code);
    assert_eq!(execution["status"], "success", "{execution:#}");
    assert_eq!(execution["output"][0], "on");
}
