//! The node: built-ins' part of the second snapshot: Deno's scripts of deno_node, which
//! `build.rs` adds, the scripts in `js/node/`, and the ops that are not JavaScript's.

mod buffer;
mod heap;
mod idna;
#[path = "../zlib/mod.rs"]
mod zlib;

use buffer::*;
use heap::op_conductor_heap;
use idna::*;
use zlib::{
    op_conductor_codec, op_conductor_codec_close, op_conductor_codec_error,
    op_conductor_codec_reset, op_conductor_codec_write, op_zlib_crc32, op_zlib_crc32_string,
};

deno_core::extension!(
    conductor_node,
    deps = [conductor, deno_node_crypto],
    ops = [
        op_conductor_codec,
        op_conductor_codec_close,
        op_conductor_codec_error,
        op_conductor_codec_reset,
        op_conductor_codec_write,
        op_conductor_heap,
        op_is_ascii,
        op_is_utf8,
        op_node_buffer_compare,
        op_node_buffer_compare_offset,
        op_node_encoding_slice,
        op_node_get_own_non_index_properties,
        op_node_idna_domain_to_ascii,
        op_node_idna_domain_to_unicode,
        op_node_idna_punycode_decode,
        op_node_idna_punycode_encode,
        op_node_idna_punycode_to_ascii,
        op_node_idna_punycode_to_unicode,
        op_node_idna_to_ascii,
        op_node_view_has_buffer,
        op_transcode,
        op_zlib_crc32,
        op_zlib_crc32_string,
    ],
    esm_entry_point = "ext:conductor_node/99_node.js",
    esm = [
        dir "js/node",
        "ops/table.js",
        "ops/base.js",
        "ops/errors.js",
        "env.js",
        "ops/deno.js",
        "ops/copy.js",
        "ops/fs.js",
        "ops/http.js",
        "ops/io.js",
        "ops/process.js",
        "ops/command.js",
        "ops/zlib.js",
        "ops/net.js",
        "ops/vm.js",
        "ops.js",
        "require.js",
        "process.js",
        "offline.js",
        "99_node.js",
    ],
);
